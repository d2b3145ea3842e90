"""SELECTs of releases: what they read, what their columns are made of, and what they may not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.load.transform import Statement
from kinbridge.release.query import understand

FROM = "FROM integrated.person AS person"


def statement(text: str) -> Statement:
    return Statement("x", text, Path("x.sql"), 1)


def test_each_column_is_followed_to_what_it_is_made_of() -> None:
    query, problems = understand(
        statement(
            "SELECT person.person_id, COALESCE(person.county_fips, '') AS county, visits.n AS visits\n"
            f"{FROM}\n"
            "LEFT JOIN (SELECT event.person_id, COUNT(event.service_event_id) AS n\n"
            "FROM integrated.service_event AS event\n"
            "WHERE event.program = 'home_visiting' GROUP BY event.person_id) AS visits\n"
            "ON visits.person_id = person.person_id\n"
            "WHERE person.birth_month > make_date(2020, 1, 1)"
        )
    )
    assert problems == ()
    assert query is not None
    assert query.outputs == ("person_id", "county", "visits")
    assert query.made_of["county"] == {"person.county_fips"}
    assert query.made_of["visits"] == {"service_event.service_event_id"}
    # What a condition reads decides who is in the file, and counts as read.
    assert {"person.birth_month", "service_event.program"} <= set(query.reads)


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT person.person_id, query_to_xml('SELECT 1', TRUE, TRUE, '') AS a {FROM}",
        f"SELECT person.person_id, pg_catalog.pg_read_file('x') AS a {FROM}",
        f"SELECT person.person_id, (SELECT p.first_name FROM record.person AS p LIMIT 1) AS a {FROM}",
        f"SELECT person.person_id, link.source_person_id AS a {FROM} "
        "INNER JOIN identity.person_link AS link ON link.person_id = person.person_id",
        f"SELECT person.person_id, names.name AS a {FROM} CROSS JOIN pg_ls_dir('/') AS names (name)",
        f"SELECT * {FROM}",
        f"SELECT person.person_id, person.first_name AS a {FROM}",
        f"SELECT person.person_id {FROM}; DELETE FROM integrated.person",
        "WITH gone AS (DELETE FROM integrated.person RETURNING person_id) SELECT gone.person_id FROM gone",
        "SELECT person_id, county_fips FROM integrated.person, integrated.referral",
        "SELECT",
    ],
)
def test_what_a_release_may_not_do_is_refused(text: str) -> None:
    query, problems = understand(statement(text))
    assert query is None
    assert {problem.code for problem in problems} == {"KB-T06"}
