"""Sealed files from a real SFTP server to the landing tables: what is refused leaves no row and no clear text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.agency import PARTNER, Agency, agency_site, rows
from tests.support.deliveries import TODAY, Intake, visit
from tests.support.openpgp import PARTNER as PARTNER_KEY
from tests.support.openpgp import STRANGER, fingerprint, message, revoked, signed, write_ours, write_public

from kinbridge.agreement.reader import read_agreements
from kinbridge.check.declarations import check
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.states import State
from kinbridge.openpgp.keys import OUR_KEY
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import validate_delivery

CLEAR = rows(visit(1), visit(2))
NAME = "visits_202606.csv.pgp"
SEALED = f"{{channel: sftp, openpgp: {{signed_by: [{fingerprint(PARTNER_KEY)}], encrypted: true}}}}"


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with agency_site(tmp_path_factory.mktemp("site"), transmission=SEALED) as folder:
        yield folder


@pytest.fixture
def agency(
    include: Path, warehouse: Any, sftp_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Agency]:
    write_public(include, PARTNER, [PARTNER_KEY.extract_certificate()])
    monkeypatch.setenv(OUR_KEY, str(write_ours(tmp_path)))
    yield (agency := Agency(warehouse, sftp_server, "home_visiting", Intake(warehouse, tmp_path)))
    agency.leave()


def test_a_sealed_file_is_staged_and_stays_sealed_on_the_disk(agency: Agency) -> None:
    sent = agency.drop(NAME, message(CLEAR))
    [delivery] = agency.collect().new
    agency.intake.judge(delivery)
    found = agency.delivery(delivery)
    assert (found.state, found.sha256) == (State.VALIDATED, hashlib.sha256(sent).hexdigest())
    assert [path.read_bytes() for path in agency.landed()] == [sent]
    assert load_delivery(agency.warehouse.pipeline, delivery, TODAY) is not None
    assert agency.intake.current() == [("V1", 60), ("V2", 60)]
    assert agency.landed() == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (message(CLEAR, signer=None), "KB-H11"),
        (message(CLEAR, signer=STRANGER), "KB-H12"),
        (message(CLEAR, reader=STRANGER), "KB-H10"),
        (signed(CLEAR), "KB-H10"),
        (CLEAR, "KB-H10"),
        (message(CLEAR)[:-1], "KB-H14"),
        (message(CLEAR)[:-40] + b"tampered" + message(CLEAR)[-32:], "KB-H14"),
    ],
)
def test_a_file_that_is_not_sealed_as_agreed_is_refused_and_nothing_of_it_is_left(
    agency: Agency, content: bytes, code: str
) -> None:
    agency.drop(NAME, content)
    [delivery] = agency.collect().new
    assert refused(agency, delivery) == code
    # The very same file is not tried again by itself; sent once more, it is judged anew, by the keys of that day.
    assert agency.collect().summary() == "nothing new"
    agency.drop(NAME, content, age=30)
    assert len(agency.collect().new) == 1


def test_a_revoked_key_vouches_for_nothing(agency: Agency, include: Path) -> None:
    agency.drop(NAME, message(CLEAR))
    [delivery] = agency.collect().new
    write_public(include, PARTNER, [revoked(PARTNER_KEY)])
    assert refused(agency, delivery) == "KB-H13"


def refused(agency: Agency, delivery: int) -> str:
    """The reason why the delivery was refused, after all its steps; nothing of it may be anywhere."""
    pipeline = agency.warehouse.pipeline
    assert stage_delivery(pipeline, delivery, TODAY) == 0
    assert validate_delivery(pipeline, delivery, TODAY) is None
    assert load_delivery(pipeline, delivery, TODAY) is None
    assert agency.landed() == []
    assert agency.intake.holding("V1") == []
    assert agency.warehouse.query("SELECT FROM pg_tables WHERE schemaname = 'landing'") == []
    found, receipt = agency.delivery(delivery), agency.receipt(delivery)
    assert found.state is State.REFUSED
    assert [cause.code for cause in receipt.causes] == [found.state_reason]
    return str(found.state_reason)


def test_a_key_of_ours_that_is_missing_refuses_nobody(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    agency.drop(NAME, message(CLEAR))
    [delivery] = agency.collect().new
    with monkeypatch.context() as patch:
        patch.delenv(OUR_KEY)
        with pytest.raises(KinbridgeError, match="KB-H17"):
            stage_delivery(agency.warehouse.pipeline, delivery, TODAY)
    assert agency.delivery(delivery).state is State.COLLECTED
    assert stage_delivery(agency.warehouse.pipeline, delivery, TODAY) == 2


def test_a_pinned_key_that_is_not_here_is_a_mistake_of_the_declarations(agency: Agency, include: Path) -> None:
    def mistakes() -> list[tuple[str, str]]:
        return [(p.code, p.path.name) for p in check() if p.code == "KB-H16"]

    assert read_agreements()[0].openpgp is not None
    assert mistakes() == []
    write_public(include, PARTNER, [STRANGER.extract_certificate()])
    assert mistakes() == [("KB-H16", f"{PARTNER}.yaml")]
