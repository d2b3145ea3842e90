"""A release on its whole way: real Postgres, real SFTP server, a real key of the recipient's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from pysequoia import decrypt
from tests.support.failpoints import kill_before
from tests.support.openpgp import OFFICE, STRANGER, fingerprint, revoked, write_ours, write_public
from tests.support.releases import KEY, NAME, RECIPIENT, Study, study

from kinbridge.agreement.holdings import holdings
from kinbridge.errors import KinbridgeError
from kinbridge.openpgp.keys import OUR_KEY
from kinbridge.release.states import ReleaseState
from kinbridge.trace.person import trace_person
from kinbridge.warehouse.connection import transaction


@pytest.fixture(scope="module")
def whole(new_warehouse: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with study(new_warehouse(), tmp_path_factory.mktemp("study")) as one:
        yield one


@pytest.fixture
def reach(whole: Study) -> Study:
    """Two groups of twelve children, and one of three."""
    whole.clear()
    whole.children("Zqxann", 12, born="2023-04-09", county="99001")
    whole.children("Zqxbea", 12, "medicaid", "home_visiting", born="2022-05-01", county="99003")
    whole.children("Zqxcid", 3, born="2021-05-01", county="99005")
    return whole


def test_the_recipient_opens_what_was_declared_and_nothing_else(reach: Study) -> None:
    release = reach.issued()
    rows = reach.rows(release)
    assert list(rows.columns) == ["code", "birth_year", "county"]
    assert rows.groupby(["birth_year", "county"]).size().to_dict() == {("2023", "99001"): 12, ("2022", "99003"): 12}
    assert rows["code"].is_unique
    manifest = reach.manifest(release)
    assert manifest["persons"] == manifest["rows"] == 24
    assert manifest["small_groups"]["withheld_persons"] == "fewer than 11"
    for file in manifest["files"]:
        ending = file["name"].partition(f"_r{release}")[2]
        content = reach.opened(ending, release)
        assert (file["size_bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        sent = (reach.outbox / file["sent_as"]["name"]).read_bytes()
        assert file["sent_as"]["sha256"] == hashlib.sha256(sent).hexdigest()
    assert b"Year of birth" in reach.opened(".codebook.html", release)
    assert json.dumps(manifest).find(NAME) > 0


def refusal(step: Callable[[], Any]) -> KinbridgeError:
    with pytest.raises(KinbridgeError) as refused:
        step()
    return refused.value


def test_names_of_persons_are_nowhere(reach: Study, tmp_path: Path) -> None:
    release = reach.issued()
    ids = {str(row[0]) for row in reach.warehouse.query("SELECT person_id FROM identity.person")}
    for ending in (".csv", ".codebook.csv", ".codebook.html", ".manifest.json"):
        content = reach.opened(ending, release).decode()
        assert "zqx" not in content.casefold()
        assert not ids & set(content.replace("\n", ",").split(","))
    for path in reach.outbox.parents[2].rglob("*"):
        assert not path.is_file() or b"Zqx" not in path.read_bytes()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    said = reach.warehouse.query("SELECT facts::text FROM ledger.event")
    assert "zqx" not in str(said).casefold()


@pytest.mark.parametrize(
    ("what", "old", "new", "code", "clause"),
    [
        ("agreements/university.yaml", "person.county_fips, ", "", "KB-T09", "releases.reach.elements"),
        ("use_cases/reach.yaml", "  - person_address.county_fips\n", "", "KB-T09", "elements"),
        (
            "agreements/medicaid.yaml",
            "recipients: [state_university]",
            "recipients: [another]",
            "KB-T10",
            "redisclosure",
        ),
        ("agreements/medicaid.yaml", "expires: 2028-12-31", "expires: 2026-10-31", "KB-T10", ""),
        ("agreements/university.yaml", "expires: 2028-12-31", "expires: 2026-10-31", "KB-A03", "expires"),
        ("agreements/university.yaml", "effective: 2025-01-01", "effective: 2026-12-01", "KB-A02", "effective"),
        ("use_cases/reach.yaml", "status: approved", "status: retired", "KB-A11", "status"),
        ("releases/reach_study.yaml", "until: 2027-12-31", "until: 2026-10-31", "KB-T07", ""),
        # Without the basis for a limited data set, the safe harbor binds: no county, no date but the year.
        ("agreements/university.yaml", "45 CFR 164.514(e)", "45 CFR 164.514(b)(2)", "KB-T11", "hipaa/safe_harbor"),
        ("agreements/university.yaml", "42 CFR 431.302", "42 CFR 431.306", "KB-T16", "medicaid/plan_administration"),
    ],
)
def test_what_is_not_covered_is_refused_at_the_request_with_its_clause(  # noqa: PLR0917 - a table of cases
    reach: Study, what: str, old: str, new: str, code: str, clause: str
) -> None:
    reach.declare(what, old, new)
    error = refusal(reach.request)
    assert error.code == code
    assert clause in str(error)
    assert reach.warehouse.query("SELECT FROM ledger.release") == []


def test_an_agreement_that_nobody_approved_releases_nothing(reach: Study) -> None:
    reach.declare("agreements/university.yaml", "title: Release agreement", "title: Another", approved=False)
    assert refusal(reach.request).code == "KB-A08"


def test_the_gate_is_asked_again_when_the_release_is_built(reach: Study) -> None:
    release = reach.approved()
    reach.declare("agreements/university.yaml", "expires: 2028-12-31", "expires: 2026-10-31")
    assert refusal(lambda: reach.build(release)).code == "KB-A03"
    assert reach.warehouse.query("SELECT FROM release.member") == []


def test_what_was_approved_is_what_is_built(reach: Study) -> None:
    release = reach.approved()
    reach.declare("sql/release/reach_study.sql", "2020-01-01", "2019-01-01")
    assert refusal(lambda: reach.build(release)).code == "KB-T18"


def test_nothing_is_built_before_two_people_approved(reach: Study) -> None:
    request = reach.request()
    assert refusal(lambda: reach.build(request.release_id)).code == "KB-T17"
    assert reach.vote(request, "ada") is ReleaseState.REQUESTED
    assert refusal(lambda: reach.build(request.release_id)).code == "KB-T17"
    assert refusal(lambda: reach.vote(request, "ada")).code == "KB-G12"
    assert refusal(lambda: reach.vote(request, "cleo")).code == "KB-G13"
    assert reach.vote(request, "ben") is ReleaseState.APPROVED
    assert reach.build(request.release_id).persons == 24


def test_a_vote_against_that_leaves_too_few_ends_a_request(reach: Study) -> None:
    request = reach.request()
    assert reach.vote(request, "ada", choice="reject") is ReleaseState.REJECTED
    assert refusal(lambda: reach.build(request.release_id)).code == "KB-T17"


def test_the_database_itself_refuses_one_approver_or_the_one_who_asked(reach: Study) -> None:
    request = reach.request()
    for approvers in (("ada", "Ada "), ("ada", "cleo"), ("ada", None)):
        with pytest.raises(psycopg2.errors.CheckViolation):
            reach.warehouse.query(
                "UPDATE ledger.release SET state = 'approved', first_approver = %s, second_approver = %s", approvers
            )
    assert reach.state(request.release_id) == "requested"


def test_a_ledger_row_that_says_approved_is_not_believed_without_the_register(reach: Study) -> None:
    request = reach.request()
    reach.warehouse.query(
        "UPDATE ledger.release SET state = 'approved', first_approver = 'ada', second_approver = 'ben'"
    )
    assert refusal(lambda: reach.build(request.release_id)).code == "KB-T17"


def test_who_revoked_consent_is_not_in_the_file(reach: Study) -> None:
    # Thirteen, so that the group is still large enough without one.
    reach.scene.knows("Zqxann12", "medicaid", born="2023-04-09", county="99001")
    reach.scene.says("medicaid", "Zqxann12", "revoked", "2026-06-01")
    release = reach.issued()
    assert len(reach.rows(release)) == 24
    assert reach.warehouse.query("SELECT excluded_persons, persons FROM ledger.release") == [(1, 24)]
    assert reach.warehouse.query("SELECT FROM release.member_source WHERE source_person_id = 'Zqxann12@medicaid'") == []


def test_a_feed_that_the_declaration_does_not_name_gives_nothing(reach: Study) -> None:
    """Home visiting says another county of the same children; only Medicaid's word is in the file."""
    reach.warehouse.query(
        "UPDATE record.person_address SET county_fips = '99007', as_of = '2026-09-30' WHERE feed LIKE 'home_visiting%%'"
    )
    assert set(reach.rows(reach.issued())["county"]) == {"99001", "99003"}


def test_nobody_left_is_no_release(reach: Study) -> None:
    reach.declare("releases/reach_study.yaml", "form: year", "form: month")
    reach.warehouse.query(
        "UPDATE record.person SET birth_date = DATE '2020-02-01' + ((line_no + delivery_id) * 31)::integer"
    )
    release = reach.approved()
    error = refusal(lambda: reach.build(release))
    assert error.code == "KB-T13"
    assert reach.state(release) == "approved"


def test_codes_are_random_for_each_release_and_the_same_only_where_that_is_declared(reach: Study) -> None:
    first, second = reach.rows(reach.issued()), reach.rows(reach.issued())
    assert not set(first["code"]) & set(second["code"])
    reach.declare("releases/reach_study.yaml", "codes: random", "codes: stable_for_recipient")
    third, fourth = reach.rows(reach.issued()), reach.rows(reach.issued())
    assert set(third["code"]) == set(fourth["code"])
    assert not set(third["code"]) & set(first["code"])
    persons = {str(row[0]) for row in reach.warehouse.query("SELECT person_id FROM identity.person")}
    assert not persons & (set(first["code"]) | set(third["code"]))


def test_a_column_of_the_select_that_gives_several_rows_a_person_is_refused(reach: Study) -> None:
    reach.declare(
        "sql/release/reach_study.sql",
        "FROM integrated.person AS person",
        "FROM integrated.person AS person\nCROSS JOIN integrated.participation AS spell",
    )
    reach.declare("agreements/university.yaml", "45 CFR", "45 CFR")
    release = reach.approved()
    assert refusal(lambda: reach.build(release)).code == "KB-T12"


def test_consent_revoked_between_building_and_sending_stops_it(reach: Study) -> None:
    release = reach.approved()
    reach.build(release)
    reach.scene.says("medicaid", "Zqxann3", "revoked", "2026-06-01")
    assert refusal(lambda: reach.deliver(release)).code == "KB-T21"
    assert (reach.state(release), reach.sent()) == ("withdrawn", [])
    assert reach.warehouse.query("SELECT FROM release.package") == []
    assert refusal(lambda: reach.deliver(release)).code == "KB-T17"
    assert refusal(lambda: reach.build(release)).code == "KB-T17"


def test_an_agreement_that_ends_between_building_and_sending_stops_it(reach: Study) -> None:
    release = reach.approved()
    reach.build(release)
    reach.declare("agreements/university.yaml", "expires: 2028-12-31", "expires: 2026-10-31")
    assert refusal(lambda: reach.deliver(release)).code == "KB-A03"
    assert (reach.state(release), reach.sent()) == ("withdrawn", [])


def test_a_revoked_key_of_the_recipient_receives_nothing(reach: Study) -> None:
    release = reach.approved()
    write_public(reach.include, RECIPIENT, [revoked(KEY)])
    assert refusal(lambda: reach.build(release)).code == "KB-T14"


def test_only_the_recipients_key_opens_it(reach: Study) -> None:
    reach.issued()
    for path in reach.outbox.iterdir():
        with pytest.raises(RuntimeError):
            decrypt(path.read_bytes(), decryptor=STRANGER.decryptor())


def test_it_is_signed_by_our_key_where_there_is_one(
    reach: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OUR_KEY, str(write_ours(tmp_path)))
    release = reach.issued()
    [path] = [p for p in reach.outbox.iterdir() if p.name.endswith(f"_r{release}.csv.pgp")]
    opened = decrypt(path.read_bytes(), decryptor=KEY.decryptor(), store=lambda _: [OFFICE.extract_certificate()])
    assert [sig.certificate.upper() for sig in opened.valid_sigs] == [fingerprint(OFFICE)]


def test_a_worker_killed_at_any_instant_leaves_a_release_that_is_issued_once(reach: Study) -> None:
    """Each step is killed before everything that it makes last, and done again to its end."""
    outcomes = set()
    for number in range(20):
        release = reach.approved()

        def steps(release: int = release) -> None:
            reach.build(release)
            reach.deliver(release)

        try:
            outcomes.add(kill_before(steps, number))
        except AssertionError:
            break
        reach.build(release)
        reach.deliver(release)
        assert reach.deliver(release) is False
        assert reach.state(release) == "issued"
        assert len(reach.rows(release)) == 24
        assert len([name for name in reach.sent() if f"_r{release}." in name]) == 4
        assert reach.warehouse.query("SELECT count(*) FROM release.member WHERE release_id = %s", (release,)) == [(24,)]
        assert reach.warehouse.query("SELECT FROM release.package WHERE release_id = %s", (release,)) == []
    else:
        raise AssertionError("more instants than there can be")
    assert {"rename there", "commit", "make there"} <= {name.rpartition(": ")[2] for name in outcomes}
    assert len(outcomes) >= 5


def test_a_release_under_way_counts_as_disclosed(reach: Study) -> None:
    release = reach.approved()
    reach.build(release)
    reach.warehouse.query("UPDATE ledger.release SET state = 'sending', outbox = 'outbox'")
    steward = reach.warehouse.steward
    assert len(trace_person(steward, "medicaid", "Zqxann1@medicaid", date(2020, 1, 1), "S").disclosures) == 1


def test_a_release_is_told_among_what_holds_an_element_that_is_taken_back(reach: Study) -> None:
    reach.issued()
    with transaction(reach.warehouse.pipeline) as connection:
        held = holdings(connection, {"medicaid/eligibility_v1": ["dob", "gender"]})
    told = {(one.element, one.place): one.count for one in held}
    assert told["dob", "releases"] == 1
    assert ("gender", "releases") not in told


def test_the_same_request_is_made_once(reach: Study) -> None:
    first, again = reach.request(key="one run"), reach.request(key="one run")
    assert first == again
    assert reach.request(key="another").release_id != first.release_id
