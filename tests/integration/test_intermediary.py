"""A partner whose files come by an intermediary: one account on a real SFTP server, with a folder for the partner."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.agency import PARTNER, agency_site, rows
from tests.support.approving import approve
from tests.support.deliveries import TODAY, VISITS, Intake, visit

from kinbridge.check.declarations import check
from kinbridge.contract.odcs import feed_of
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.states import State
from kinbridge.partner.intermediary import Intermediary, intermediary_of
from kinbridge.receipt.send import send_receipt
from kinbridge.receive.collect import collect, gate, plan_of
from kinbridge.receive.receipt import receipt_of
from kinbridge.settings import landing_folder

ACCOUNT, FOLDER = "snap", "programs/atlas"
SENDER = "snap"
NAMED = "  intermediary: {code: snap, name: Center}\n"
SIGNED = "  - {party: snap, name: C, title: T, authority: U, signed: 2024-12-02}\n"


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with agency_site(tmp_path_factory.mktemp("site")) as folder:
        profile = folder / "partners" / PARTNER / "profile.yaml"
        text = profile.read_text(encoding="utf-8")
        profile.write_text(f"{text}intermediary: {{code: {SENDER}, folder: {FOLDER}}}\n", encoding="utf-8")
        yield folder


def name_the_sender(include: Path, *, signed: bool = True) -> None:
    """Have the agreement name the intermediary as a party, signed or not yet."""
    path = include / "agreements" / f"{PARTNER}.yaml"
    text = path.read_text(encoding="utf-8").replace(NAMED, "").replace(SIGNED, "")
    text = text.replace("use_cases:", NAMED + "use_cases:", 1)
    if signed:
        text = text.replace("transmission:", SIGNED + "transmission:", 1)
    path.write_text(text, encoding="utf-8")
    approve(include)


def test_nobody_sends_for_a_partner_whom_its_agreement_does_not_name(include: Path, warehouse: Any) -> None:
    with pytest.raises(KinbridgeError, match="KB-A21") as caught:
        gate(warehouse.pipeline, VISITS, TODAY)
    assert SENDER in str(caught.value)
    name_the_sender(include, signed=False)
    with pytest.raises(KinbridgeError, match="KB-A04"):
        gate(warehouse.pipeline, VISITS, TODAY)
    name_the_sender(include)
    assert gate(warehouse.pipeline, VISITS, TODAY).intermediaries == {SENDER}


def test_files_come_from_and_receipts_go_to_the_partners_folder_on_its_account(
    include: Path, warehouse: Any, sftp_server: Any, tmp_path: Path
) -> None:
    name_the_sender(include)
    place = sftp_server.jail(ACCOUNT) / FOLDER
    for box in ("inbox", "outbox"):
        (place / box).mkdir(parents=True, mode=0o777)
        (place / box).chmod(0o777)
    (place / "inbox" / "visits_202606.csv").write_bytes(rows(visit(1), visit(2)))
    (sftp_server.jail(ACCOUNT) / "inbox" / "visits_202605.csv").write_bytes(
        rows(visit(3))
    )  # its own, not the partner's
    granted = gate(warehouse.pipeline, VISITS, TODAY)
    endpoint = SftpEndpoint(
        partner=PARTNER,
        host=sftp_server.host,
        port=sftp_server.port,
        user=ACCOUNT,
        host_key=sftp_server.host_key,
        key_file=sftp_server.keys[ACCOUNT],
        folder=FOLDER,
    )
    intake = Intake(warehouse, tmp_path)
    try:
        plan = plan_of(feed_of(VISITS), granted)
        [delivery] = collect(endpoint, plan, warehouse.pipeline, landing_folder(), settle_seconds=0.02).new
        intake.judge(delivery)
        assert intake.state(delivery) is State.VALIDATED
        page, *_ = send_receipt(endpoint, receipt_of(warehouse.pipeline, delivery), b"")
        assert page.startswith(f"{FOLDER}/outbox/")
        assert (sftp_server.jail(ACCOUNT) / page).is_file()
        # Without the folder it is the intermediary's own inbox: that is somebody else's.
        assert collect(
            replace(endpoint, folder=""), plan, warehouse.pipeline, landing_folder(), settle_seconds=0.02
        ).new != [delivery]
    finally:
        shutil.rmtree(place)
        (sftp_server.jail(ACCOUNT) / "inbox" / "visits_202605.csv").unlink()
        intake.empty()


def test_who_has_no_profile_sends_and_receives_itself(include: Path) -> None:
    assert intermediary_of("state_university") is None
    assert intermediary_of(PARTNER) == Intermediary(SENDER, FOLDER)


@pytest.mark.parametrize(
    "given",
    ["snap", "{code: snap}", "{code: snap, folder: ../snap}", "{code: snap, folder: /abs}", "{code: atlas, folder: a}"],
)
def test_a_profile_says_whom_and_where(include: Path, given: str) -> None:
    profile = include / "partners" / PARTNER / "profile.yaml"
    text = profile.read_text(encoding="utf-8")
    profile.write_text(text.replace(f"{{code: {SENDER}, folder: {FOLDER}}}", given), encoding="utf-8")
    try:
        [problem] = [one for one in check() if one.path == profile]
        assert (problem.code, problem.line) == ("KB-C31", len(text.splitlines()))
    finally:
        profile.write_text(text, encoding="utf-8")
