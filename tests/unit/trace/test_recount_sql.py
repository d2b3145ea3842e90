"""The SQL of the figures over what was known then: every table of the record is read through its view, none is
written."""

from __future__ import annotations

import re
from datetime import date

from kinbridge.integration.parameters import sql_files
from kinbridge.trace.person import six_years_before
from kinbridge.trace.recount import as_known


def test_a_table_keeps_the_name_by_which_the_query_calls_it() -> None:
    text = "SELECT person.a -- record.person\nFROM record.person\nJOIN record.person_address AS address ON TRUE"
    assert re.sub(r"\s+", " ", as_known(text)) == (
        "SELECT person.a FROM pg_temp.record_person AS person JOIN pg_temp.record_person_address AS address ON TRUE"
    )


def test_what_is_written_is_temporary_and_ids_are_read_as_they_are() -> None:
    text = "DELETE FROM identity.family_child; INSERT INTO integrated.person SELECT 1 FROM identity.person_link"
    assert as_known(text) == (
        "DELETE FROM pg_temp.family_child; INSERT INTO pg_temp.person SELECT 1 FROM identity.person_link"
    )


def test_nothing_of_the_real_record_or_of_integrated_is_left_in_the_sql() -> None:
    for schema in ("integrated", "mart"):
        for file in sql_files(schema):
            found = as_known(file.read_text(encoding="utf-8"))
            assert not re.search(r"\b(record|integrated)\.[a-z]|\bledger\.load\b", found), file.name


def test_an_accounting_goes_six_years_back() -> None:
    assert six_years_before(date(2026, 11, 2)) == date(2020, 11, 2)
    assert six_years_before(date(2024, 2, 29)) == date(2018, 2, 28)
