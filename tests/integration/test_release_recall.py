"""Recalls: what reaches a recipient when consent is revoked, an element goes, or the agreement ends."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pysequoia import decrypt
from tests.support.releases import DAY, KEY, Study, study

from kinbridge.errors import KinbridgeError
from kinbridge.notice.message import Mail
from kinbridge.release.recall import Recall, acknowledge, overdue_recalls, recall_withheld
from kinbridge.release.recall_notice import tell_recalls
from kinbridge.trace.person import six_years_before, trace_person
from kinbridge.warehouse.connection import transaction


@pytest.fixture(scope="module")
def whole(new_warehouse: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with study(new_warehouse(), tmp_path_factory.mktemp("study")) as one:
        yield one


@pytest.fixture
def reach(whole: Study) -> Study:
    whole.clear()
    whole.children("ann", 13, born="2023-04-09", county="99001")
    return whole


def recalls(reach: Study, days: int = 0) -> list[Recall]:
    with transaction(reach.warehouse.linkage) as connection:
        return recall_withheld(connection, DAY + timedelta(days))


def tell(reach: Study) -> tuple[int, list[Mail]]:
    mails: list[Mail] = []
    return tell_recalls(reach.warehouse.linkage, lambda _: reach.endpoint, mails.append), mails


def notices(reach: Study) -> list[dict[str, str]]:
    found = []
    for path in sorted(reach.outbox.glob("*.recall_*.csv.pgp")):
        text = bytes(decrypt(path.read_bytes(), decryptor=KEY.decryptor()).bytes).decode()
        found += list(csv.DictReader(io.StringIO(text)))
    return found


def test_a_revocation_reaches_an_issued_release_once_by_its_codes_only(reach: Study) -> None:
    release = reach.issued()
    assert recalls(reach) == []
    [(code,)] = reach.warehouse.query(
        "SELECT code::text FROM release.member INNER JOIN release.member_source USING (release_id, person_id)"
        " WHERE source_person_id = 'ann4@medicaid'"
    )
    reach.scene.says("medicaid", "ann4", "revoked", "2026-06-01")
    [recall] = recalls(reach)
    assert (recall.release_id, recall.cause, recall.persons) == (release, "withheld", 1)
    assert "consent" in recall.clause
    assert recalls(reach) == []
    assert recalls(reach, 1) == []

    told, [mail] = tell(reach)
    assert told == 1
    [notice] = notices(reach)
    assert (notice["code"], notice["recall"]) == (code, str(recall.recall_id))
    assert "45 CFR 164.508(b)(5)" in notice["stands"]
    assert not any(text in mail.body + mail.subject for text in (code, "ann4"))
    assert f"recall_{recall.recall_id}.csv.pgp" in mail.body
    assert tell(reach) == (0, [])

    # A second person later makes a recall of its own; the first is not named again.
    reach.scene.says("medicaid", "ann5", "revoked", "2026-06-01")
    assert [one.persons for one in recalls(reach)] == [1]


def test_an_acknowledgement_is_waited_for_and_seen_in_the_accounting(reach: Study) -> None:
    reach.issued()
    reach.scene.says("medicaid", "ann4", "revoked", "2026-06-01")
    [recall] = recalls(reach)
    steward = reach.warehouse.steward
    with transaction(steward) as connection, pytest.raises(KinbridgeError, match="KB-T24"):
        acknowledge(connection, recall.recall_id, "A Desk")
    tell(reach)
    with transaction(steward) as connection:
        assert overdue_recalls(connection, recall.due_on) == []
        assert overdue_recalls(connection, recall.due_on + timedelta(1)) == [recall]
        acknowledge(connection, recall.recall_id, "A Desk", "By letter")
        acknowledge(connection, recall.recall_id, "Another")
        assert overdue_recalls(connection, recall.due_on + timedelta(1)) == []
    assert reach.warehouse.query("SELECT acknowledged_by FROM ledger.recall") == [("A Desk",)]
    [one] = trace_person(steward, "medicaid", "ann4@medicaid", six_years_before(DAY), "S").disclosures
    assert one.recalled_at
    assert one.acknowledged_at


def test_an_element_that_is_removed_is_recalled_from_what_holds_it(reach: Study) -> None:
    reach.issued()
    reach.declare("agreements/university.yaml", "person.birth_month, ", "")
    [recall] = recalls(reach)
    assert (recall.cause, recall.detail, recall.persons) == ("element", "person.birth_month", 13)
    assert "releases.reach.elements" in recall.clause
    assert recalls(reach) == []
    tell(reach)
    assert [(one["cause"], one["code"]) for one in notices(reach)] == [("element", "all")]


def test_an_agreement_that_ends_recalls_all_of_it(reach: Study) -> None:
    reach.issued()
    reach.declare("agreements/university.yaml", "expires: 2028-12-31", "expires: 2026-12-31")
    assert recalls(reach) == []
    [recall] = recalls(reach, 60)
    assert (recall.cause, recall.persons) == ("agreement", 13)
    assert "expires" in recall.clause
    assert recalls(reach, 61) == []


def test_a_contributor_that_takes_its_word_back_recalls_what_it_gave(reach: Study) -> None:
    reach.scene.insert("person", "home_visiting/enrollments_v1", {"source_person_id": "x@home_visiting"})
    reach.declare("releases/reach_study.yaml", "feeds: [", "feeds: [home_visiting/enrollments_v1, ")
    reach.issued()
    reach.declare("agreements/home_visiting.yaml", "recipients: [state_university]", "recipients: [another]")
    found = recalls(reach)
    assert {one.detail for one in found} == {"person.birth_month", "person.county_fips"}
    assert all("dsa-home_visiting" in one.clause for one in found)


def test_what_is_not_out_or_has_expired_is_not_recalled(reach: Study) -> None:
    built = reach.approved()
    reach.build(built)
    expired = reach.issued()
    reach.warehouse.query("UPDATE ledger.release SET expires_on = '2026-10-01' WHERE release_id = %s", (expired,))
    reach.scene.says("medicaid", "ann4", "revoked", "2026-06-01")
    assert recalls(reach) == []


def test_a_program_that_was_withheld_already_calls_for_no_recall(reach: Study) -> None:
    reach.children("bea", 12, "medicaid", "home_visiting", born="2022-04-09", county="99003")
    reach.declare("releases/reach_study.yaml", "feeds: [", "feeds: [home_visiting/enrollments_v1, ")
    reach.scene.says("home_visiting", "bea1", "revoked", "2026-06-01", program="home_visiting")
    release = reach.issued()
    assert len(reach.rows(release)) == 25
    assert recalls(reach) == []
    reach.scene.says("home_visiting", "bea2", "revoked", "2026-06-01", program="home_visiting")
    assert [(one.cause, one.persons) for one in recalls(reach)] == [("withheld", 1)]
