"""Who sees a pair of records, and what is known of it afterwards.

Stewards see pairs, and nobody else; also a steward sees no record but by a look, which is in the ledger before anything
is shown. What may not be linked today is not shown today. A second reviewer is not told what the first one decided.
Reasons outlive records, and quote nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from tests.support.review import Pairs, decided, queue, two

from kinbridge.consent.rules import write_rules
from kinbridge.errors import KinbridgeError
from kinbridge.review.desk import desk_of
from kinbridge.review.look import look_at
from kinbridge.review.queue import State, counts
from kinbridge.review.verdict import concord, decide, history
from kinbridge.warehouse.connection import connect, transaction


@pytest.fixture
def pairs(warehouse: Any) -> Iterator[Pairs]:
    yield (pairs := Pairs(warehouse))
    pairs.empty()


def test_a_look_shows_two_records_and_is_in_the_ledger(pairs: Pairs) -> None:
    one = pairs.person(
        "medicaid",
        "M1",
        first_name="Wilhelmina",
        last_name="Ostrander",
        birth_date="2022-03-04",
        ssn="219098877",
        address_line="77 Quillfeather Row",
        city="Thornwick",
        postal_code="99001",
    )
    other = pairs.person(
        "snap", "S1", first_name="Willa", last_name="Ostrander", birth_date="2022-04-03", ssn="219098977"
    )
    pairs.person("snap", "S2", with_=other)
    pairs.pair(one, other, 1.2, levels=(2, 0, 1))
    pairs.fill()
    desk = pairs.desk()
    number = pairs.number(one, other)
    look = look_at(desk, number)
    shown = {row.column: (row.left, row.right, row.agreement) for group in look.groups for row in group.rows}
    assert shown["first_name"] == ("Wilhelmina", "Willa", "different")
    assert shown["last_name"] == ("Ostrander", "Ostrander", "same")
    # Digits that agree are hidden but for the last four.
    assert shown["ssn"] == ("•••••8877", "•••••8977", "different")
    assert shown["address_line"] == ("77 Quillfeather Row", "", "one side")
    assert (look.left.others, look.right.others) == ({}, {"snap": 1})
    assert [one.level for one in look.case.comparisons] == [2, 0, 1]
    assert pairs.events("looked at a pair") == [
        (
            "wetherby",
            {"pair": number, "why": "open", "partners": ["medicaid", "snap"], "role": "kb_steward"},
        )
    ]
    # Nothing of the records is in what can be printed of a look.
    assert "Ostrander" not in repr(look)
    assert "M1" not in repr(look)


def test_a_look_that_is_rolled_back_shows_nothing(pairs: Pairs) -> None:
    one, other = two(pairs, 1, 1.0)
    pairs.fill()
    desk = pairs.desk()
    connection = connect(desk.dsn)
    with connection.cursor() as cursor:
        for before in ("SELECT 1", "SAVEPOINT here"):
            cursor.execute(before)
            cursor.execute("SELECT identity.note_look(%s, 'open', 'me')", (pairs.number(one, other),))
            (look,) = cursor.fetchone()
            cursor.execute(
                "SELECT * FROM identity.show_look(%s, %s, current_date)", (look, sorted(desk.gates.linkable))
            )
            assert cursor.fetchall() == []
    connection.rollback()
    connection.close()
    assert pairs.events("looked at a pair") == []


@pytest.mark.parametrize("name", ["", "  "])
def test_nobody_looks_without_a_name(pairs: Pairs, name: str) -> None:
    one, other = two(pairs, 1, 1.0)
    pairs.fill()
    connection = connect(pairs.warehouse.steward)
    with connection.cursor() as cursor, pytest.raises(psycopg2.errors.CheckViolation):
        cursor.execute("SELECT identity.note_look(%s, 'open', %s)", (pairs.number(one, other), name))
    connection.close()


@pytest.mark.parametrize("role", ["kb_pipeline", "kb_linkage", "kb_analyst"])
def test_other_roles_neither_look_nor_sit_down(pairs: Pairs, role: str) -> None:
    one, other = two(pairs, 1, 1.0)
    pairs.fill()
    dsn = pairs.warehouse.role(role)
    connection = connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in (
            f"SELECT identity.note_look({pairs.number(one, other)}, 'open', 'me')",
            "SELECT * FROM identity.show_look(1, ARRAY['medicaid/eligibility_v1'], current_date)",
            "SELECT identity.quoted(1, 'Ostrander', ARRAY['medicaid/eligibility_v1'])",
            "SELECT identity.record_of('medicaid', 'A1', ARRAY['medicaid/eligibility_v1'])",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
    connection.close()
    with pytest.raises(KinbridgeError) as failure:
        desk_of(dsn, pairs.desk().reviewer)
    assert failure.value.code == "KB-K62"


def test_the_stewards_role_reads_no_record_but_by_a_look(pairs: Pairs) -> None:
    connection = connect(pairs.warehouse.steward)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in (
            "SELECT first_name FROM record.person",
            "SELECT first_name FROM identity.prepared",
            "SELECT identity.record_of('medicaid', 'A1', ARRAY['medicaid/eligibility_v1'])",
            "INSERT INTO identity.pair_look (pair_id, looked_by, why, transaction) VALUES (1, 'me', 'open', '1')",
            "UPDATE identity.review_pair SET source_person_id_left = 'x'",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
    connection.close()


def test_pairs_of_feeds_that_may_not_be_linked_are_not_seen(pairs: Pairs) -> None:
    one, other = two(pairs, 1, 1.0)
    pairs.fill()
    desk = pairs.desk()
    barred = replace(desk, gates=replace(desk.gates, linkable=desk.gates.linkable - {"snap/participation_v1"}))
    assert queue(barred) == []
    with pytest.raises(KinbridgeError) as failure:
        look_at(barred, pairs.number(one, other))
    assert failure.value.code == "KB-K64"
    assert pairs.events("looked at a pair") == []


def test_pairs_of_feeds_that_an_agreement_keeps_apart_by_now_are_not_seen(pairs: Pairs) -> None:
    one, other = two(pairs, 1, 1.0)
    pairs.fill()
    desk = pairs.desk()
    feeds = ("medicaid/eligibility_v1", "snap/participation_v1")
    parted = replace(desk, gates=replace(desk.gates, apart={feeds: "dsa-snap, linking"}))
    with pytest.raises(KinbridgeError) as failure:
        look_at(parted, pairs.number(one, other))
    assert failure.value.code == "KB-K64"
    assert pairs.events("looked at a pair") == []
    # A linkage that obeyed these very gates has compared the two: then it may be seen.
    pairs.query("UPDATE identity.run SET purposes_digest = %s", (parted.gates.purposes_digest(),))
    assert look_at(parted, pairs.number(one, other)).look_id


def test_a_person_whom_consent_withholds_is_not_shown(pairs: Pairs) -> None:
    one, other = two(pairs, 1, 1.0)
    pairs.fill()
    desk = pairs.desk()
    with transaction(pairs.warehouse.linkage) as connection, connection.cursor() as cursor:
        write_rules(cursor, desk.gates)
    look_at(desk, pairs.number(one, other))
    pairs.query(
        """
        INSERT INTO identity.consent_statement (
            partner, source_person_id, decision, effective_from, evidence, recorded_by
        )
        VALUES (%s, %s, 'revoked', '2026-01-01', 'letter', 'test')
        """,
        one,
    )
    with pytest.raises(KinbridgeError) as failure:
        look_at(desk, pairs.number(one, other))
    assert failure.value.code == "KB-K64"


@pytest.mark.parametrize(
    ("reason", "column"),
    [
        ("Both are called ostrander", "last_name"),
        ("born 2022, both", "birth_date"),
        ("see Wilhelmina's file", "first_name"),
    ],
)
def test_a_reason_that_quotes_a_record_is_refused(pairs: Pairs, reason: str, column: str) -> None:
    one, other = two(pairs, 1, 1.0)
    pairs.fill()
    desk = pairs.desk()
    look = look_at(desk, pairs.number(one, other))
    with pytest.raises(KinbridgeError) as failure:
        decide(desk, look.case.pair_id, look.look_id, "same", reason)
    assert failure.value.code == "KB-K65"
    assert failure.value.facts["column"] == column
    assert pairs.query("SELECT count(*) FROM identity.pair_decision") == [(0,)]
    decide(desk, look.case.pair_id, look.look_id, "same", "day and month changed places")


def test_a_second_reviewer_is_asked_without_being_told_and_disagreement_comes_first(pairs: Pairs) -> None:
    made = [two(pairs, number, 0.5, levels=(1, 1, number % 7 + 1)) for number in range(60)]
    pairs.fill()
    first, second = pairs.desk("steward"), pairs.desk("privacy")
    numbers = [pairs.number(*pair) for pair in made]
    for number in numbers[:-1]:
        decided(first, number, "different")
    asked = [one for one in queue(second) if one.state is State.SECOND]
    # One in ten, chosen by the pair alone.
    assert 1 <= len(asked) <= 15
    assert [one.state for one in queue(first)] == [State.OPEN]
    hidden = {one.pair_id for one in asked}
    assert hidden.isdisjoint(one.pair_id for one in history(second))
    assert hidden <= {one.pair_id for one in history(first)}
    disputed = asked[0].pair_id
    decided(second, disputed, "same")
    for one in asked[1:]:
        decided(second, one.pair_id, "different")
    for desk in (first, second):
        found = queue(desk)
        assert (found[0].pair_id, found[0].state) == (disputed, State.DISAGREED)
    with transaction(first.dsn) as connection:
        [rate] = concord(connection)
        assert counts(connection, first)[State.DISAGREED] == 1
    assert (rate.first, rate.second, rate.pairs, rate.agreed) == ("farrokhzad", "wetherby", len(asked), len(asked) - 1)
    assert rate.kappa == pytest.approx(0.0)
    # Who changes their mind settles it; how far they agreed before is not changed by that.
    decided(first, disputed, "same")
    assert all(one.state is not State.DISAGREED for one in queue(second))
    with transaction(first.dsn) as connection:
        assert concord(connection) == [rate]


def test_who_could_not_tell_leaves_the_pair_to_others(pairs: Pairs) -> None:
    one, other = two(pairs, 1, 0.5)
    pairs.fill()
    first, second = pairs.desk("steward"), pairs.desk("privacy")
    decided(first, pairs.number(one, other), "unsure")
    assert queue(first) == []
    assert [found.state for found in queue(second)] == [State.UNSURE]


def test_pairs_go_with_the_records_of_either_side(pairs: Pairs) -> None:
    one, _ = two(pairs, 1, 0.5)
    pairs.fill()
    pairs.query("DELETE FROM identity.person_link WHERE (partner, source_person_id) = (%s, %s)", one)
    assert pairs.query("SELECT count(*) FROM identity.review_pair") == [(0,)]
