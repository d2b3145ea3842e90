"""Failure cases 15 to 26: what can be wrong with what a file holds, taken to the record on two Postgres servers.

Every case ends with the record of a clean run. The formats themselves are tested below `tests/unit/format`.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.support.agency import PARTNER, agency_site, entry, rows
from tests.support.approving import approve
from tests.support.canaries import STEM
from tests.support.cases import JUNE, MAY, SECRET, Casework, visits
from tests.support.deliveries import HEADER, TODAY, Intake, visit
from tests.support.openpgp import PARTNER as PARTNER_KEY
from tests.support.openpgp import STRANGER, fingerprint, message, revoked, write_ours, write_public
from tests.support.state import state_of

from kinbridge.format import container
from kinbridge.ledger.states import State
from kinbridge.openpgp.keys import OUR_KEY
from kinbridge.receipt.findings_file import findings_file
from kinbridge.receive.decide import REJECT, record_decision
from kinbridge.receive.load import load_delivery
from kinbridge.warehouse.connection import transaction

MANIFEST = r", manifest: { filePattern: '^visits_(?P<period>\d{6})(_[a-z])?\.manifest\.json$', format: json }"
LINES = visits(1, 30)
GOOD = rows(*LINES)
LATER = rows(*visits(10, 30, 45))


@dataclass
class Desk(Casework):
    """The agency, which lists every file in a manifest."""

    def send(self, content: bytes, name: str = MAY, age: float = 60, **wrong: Any) -> None:
        """Put a file there, and a manifest that tells the truth of it, or says what is `wrong`."""
        self.drop(name, content, age)
        self.list_files(entry(name, content, **wrong), month=name[7:].partition(".")[0], age=age)

    def record(self) -> dict[str, str]:
        """The state of the record alone: what was refused before is another matter."""
        return {name: value for name, value in self.state().items() if name.startswith("record.")}

    def state(self) -> dict[str, str]:
        return state_of(self.warehouse.superuser)

    def told_why(self, delivery: int) -> list[str]:
        """The codes that the receipt gives for a delivery; each with what it means and what to do, and its lines."""
        receipt = self.receipt(delivery)
        assert (receipt.partner, receipt.delivery_id) == (PARTNER, delivery)
        assert all(cause.title and cause.meaning and cause.remedy for cause in receipt.causes)
        assert all(cause.ranges for cause in receipt.causes if cause.scope == "row")
        return [cause.code for cause in receipt.causes]

    def corrected(self, clean: dict[str, str]) -> None:
        """The right file comes after what was wrong, and the record is that of a clean run."""
        self.send(GOOD, age=20)
        assert len(self.receive().new) == 1
        self.passes(clean)


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with agency_site(tmp_path_factory.mktemp("site"), MANIFEST) as folder:
        yield folder


@pytest.fixture(scope="module", params=["bundled", "packaged"])
def store(request: pytest.FixtureRequest) -> Any:
    """A warehouse on one of the two servers."""
    return request.getfixturevalue({"bundled": "new_warehouse", "packaged": "new_packaged_warehouse"}[request.param])()


# What comes to nothing but a refusal is the same on every server.
ON_ONE_SERVER = pytest.mark.parametrize("store", ["bundled"], indirect=True)


@pytest.fixture
def desk(include: Path, store: Any, sftp_server: Any, tmp_path: Path) -> Iterator[Desk]:
    yield (desk := Desk(store, sftp_server, "medicaid", Intake(store, tmp_path)))
    desk.leave()


@pytest.fixture(scope="module")
def clean(include: Path, store: Any, sftp_server: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The record after a clean run on this server, which is empty again then."""
    desk = Desk(store, sftp_server, "medicaid", Intake(store, tmp_path_factory.mktemp("clean")))
    desk.send(GOOD)
    desk.receive()
    record = desk.record()
    desk.passes(record)
    assert len(desk.intake.current()) == 30
    desk.leave()
    return record


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


BOMB = gzip.compress(rows(*LINES) + b"x" * 30_000_000)
WRONG: list[tuple[bytes, dict[str, Any], str]] = [
    (GOOD, {"sha256": "0" * 64}, "KB-H03"),
    (GOOD, {"bytes": 7}, "KB-H03"),
    (rows(*LINES[:-1]), {"count": 30}, "KB-F10"),
    (BOMB, {}, "KB-F04"),
    (zipped(("a", zipped(("b", GOOD)))), {}, "KB-F04"),
    (GOOD.decode().encode("utf-16-le"), {}, "KB-F04"),
    (GOOD.replace(b"minutes", b"visit_id", 1), {}, "KB-F04"),  # a column twice
]


@ON_ONE_SERVER
@pytest.mark.case(15, 16, 19, 21, 23, 24)
def test_a_file_that_is_wrong_as_a_whole_shows_no_row_and_its_correction_is_taken(
    desk: Desk, clean: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correction that comes after a refusal is no repetition of what was refused."""
    monkeypatch.setattr(container, "LITTLE_BYTES", 1_000_000)
    for age, (content, wrong, code) in zip(count(900, -100), WRONG):
        desk.send(content, age=age, **wrong)
        found = desk.receive()
        [delivery] = [*found.new, *found.turned_away]
        assert code in desk.told_why(delivery)
        assert desk.intake.current() == []
        if desk.delivery(delivery).state is State.HELD:
            record_decision(desk.warehouse.pipeline, delivery, REJECT, "a person", datetime.now(UTC), "")
            load_delivery(desk.warehouse.pipeline, delivery, TODAY)
        assert desk.delivery(delivery).state is State.REFUSED
        assert desk.intake.current() == []
    desk.corrected(clean)


# What is wrong with a single row, by its visit: it is set aside, the others are loaded.
SINGLE = {
    2: (b",H,", b",\xfc,"),  # bytes of another encoding
    4: (b",H,", b",\0,"),
    6: (b",H,", b",H,x,"),  # one field more
    8: (f",H,{SECRET}8".encode(), b""),  # fewer
}


@pytest.mark.case(19, 23, 24)
def test_rows_that_are_wrong_are_set_aside_alone_and_their_correction_is_taken(
    desk: Desk, clean: dict[str, str]
) -> None:
    lines = GOOD.splitlines(keepends=True)
    for number, (old, new) in SINGLE.items():
        assert old in lines[number]
        lines[number] = lines[number].replace(old, new, 1)
    desk.send(b"".join(lines))
    [delivery] = desk.receive().new
    account = desk.intake.account(delivery)
    assert account is not None
    assert (account.source_rows, account.loaded, account.quarantined) == (30, 26, 4)
    assert "KB-R10" in desk.told_why(delivery)
    assert desk.intake.quarantined(delivery).keys() == {number + 1 for number in SINGLE}
    desk.corrected(clean)


def moved(content: bytes) -> bytes:
    """The same file with its columns the other way round."""
    return b"".join(b",".join(reversed(line.split(b","))) + b"\n" for line in content.splitlines())


# In the last row, so that it shifts no other one's line.
SPREAD = GOOD.removesuffix(f"{SECRET}30\n".encode()) + b'"a\r\nb"\n'
SAME = [
    pytest.param(b"\xef\xbb\xbf" + GOOD, marks=pytest.mark.case(23), id="byte order mark"),
    pytest.param(GOOD.replace(b"\n", b"\r\n"), marks=pytest.mark.case(23), id="other line ends"),
    pytest.param(moved(GOOD), marks=pytest.mark.case(24), id="moved columns"),
    pytest.param(SPREAD, marks=pytest.mark.case(24), id="a line end within quotes"),
    pytest.param(zipped(("../../../visits.csv", GOOD)), marks=pytest.mark.case(21), id="a path in a zip"),
    pytest.param(gzip.compress(GOOD), marks=pytest.mark.case(21), id="packed"),
]


@ON_ONE_SERVER
@pytest.mark.parametrize("content", SAME)
def test_a_file_that_says_the_same_in_another_way_makes_the_same_record(
    desk: Desk, clean: dict[str, str], include: Path, content: bytes
) -> None:
    before = {path for path in include.parent.rglob("*") if "landing" not in path.parts}
    desk.send(content)
    assert len(desk.receive().new) == 1
    desk.passes(clean)
    assert {path for path in include.parent.rglob("*") if "landing" not in path.parts} == before


@pytest.mark.case(17)
def test_the_same_bytes_under_another_name_are_not_loaded_twice(desk: Desk, clean: dict[str, str]) -> None:
    desk.send(GOOD)
    desk.receive()
    desk.send(GOOD, "visits_202605_b.csv")
    found = desk.receive()
    assert (found.new, len(found.duplicates)) == ([], 1)
    desk.passes(clean)


@pytest.mark.case(18)
def test_the_same_name_with_other_bytes_is_another_version(desk: Desk, clean: dict[str, str]) -> None:
    desk.send(GOOD)
    desk.receive()
    desk.send(GOOD.replace(b",60,", b",61,"), age=30)
    assert len(desk.receive().new) == 1
    # The first one is not overwritten: what it said is known from then to now.
    minutes = desk.warehouse.query(
        "SELECT duration_minutes, known_to IS NULL, count(*) FROM record.service_event GROUP BY 1, 2 ORDER BY 1"
    )
    assert minutes == [(60, False, 30), (61, True, 30)]
    assert desk.warehouse.query("SELECT count(DISTINCT sha256) FROM ledger.delivery") == [(2,)]
    desk.send(GOOD + b"\n", age=10)  # and back again, in other bytes
    desk.receive()
    assert {minutes for _, minutes in desk.intake.current()} == {60}
    desk.passes({})


@pytest.mark.case(20)
def test_a_month_that_comes_after_the_next_one_ends_in_the_same_state(desk: Desk) -> None:
    what = "source_service_event_id, source_person_id, service_date, duration_minutes, delivery_method"
    states = []
    for first, second in ((MAY, JUNE), (JUNE, MAY)):
        for name in (first, second):
            desk.send(GOOD if name == MAY else LATER, name)
            assert len(desk.receive().new) == 1
        desk.passes({})
        addresses = desk.intake.current("source_person_id, postal_code", "person_address")
        states.append((desk.intake.current(what), addresses))
        desk.leave()
    assert states[0] == states[1]
    assert len(states[0][0]) == 39


@contextmanager
def sealed_by_agreement(include: Path) -> Iterator[None]:
    """The agreement asks for encrypted and signed files, for a while."""
    path = include / "agreements" / f"{PARTNER}.yaml"
    text = path.read_text(encoding="utf-8")
    terms = f"{{channel: sftp, openpgp: {{signed_by: [{fingerprint(PARTNER_KEY)}], encrypted: true}}}}"
    assert "transmission: {channel: sftp}" in text
    path.write_text(text.replace("{channel: sftp}", terms), encoding="utf-8")
    approve(include)
    write_public(include, PARTNER, [PARTNER_KEY.extract_certificate()])
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")
        approve(include)


@ON_ONE_SERVER
@pytest.mark.case(22)
def test_a_seal_that_does_not_hold_is_refused_and_the_next_one_is_taken(
    desk: Desk, clean: dict[str, str], include: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OUR_KEY, str(write_ours(tmp_path)))
    seals = {
        "KB-H11": message(GOOD, signer=None),
        "KB-H12": message(GOOD, signer=STRANGER),
        "KB-H14": message(GOOD)[:-40],
        "KB-H10": GOOD,
        "KB-H13": message(GOOD),
    }
    with sealed_by_agreement(include):
        for age, (code, sealed) in zip(count(900, -100), seals.items()):
            desk.send(sealed, age=age)
            [delivery] = desk.collect().new
            if code == "KB-H13":
                write_public(include, PARTNER, [revoked(PARTNER_KEY)])
            desk.work_off(delivery)
            assert (desk.delivery(delivery).state, desk.told_why(delivery)) == (State.REFUSED, [code])
            assert desk.landed() == []
            assert desk.intake.current() == []
        write_public(include, PARTNER, [PARTNER_KEY.extract_certificate()])
        desk.send(message(GOOD), age=20)
        desk.receive()
    desk.passes(clean)


NASTY = [
    "\\.",
    "\\N",
    "\\",
    "a\tb",
    'he said "no"',
    "a,b;c|d",
    "line\nend",
    "'; DROP TABLE record.person; --",
    "$$||pg_sleep(9)||$$",
    "%s %(x)s {0}",
    "=1+1",
    "+1",
    "-5",
    "@SUM(A1)",
    "Ñåvëqûéçøß ﬀ 𝒳",
]


@pytest.mark.case(25, 26)
def test_nasty_texts_come_into_the_record_as_they_were_written(desk: Desk) -> None:
    """Formulas and negative numbers among them: they are harmless where they are, and no export of ours holds them."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER.split(","))
    for number, text in enumerate(NASTY):
        writer.writerow([f"V{number}", text, "01/01/2026", "60", "00501", "H", text])
    writer.writerow(["V90", "P", "=cmd|' /C calc'!A0", "-5", "00501", "H", ""])
    desk.send(buffer.getvalue().encode())
    [delivery] = desk.receive().new
    found = desk.intake.current("source_service_event_id, source_person_id")
    assert dict(found) == {f"V{number}": text for number, text in enumerate(NASTY)}
    with transaction(desk.warehouse.pipeline) as connection:
        listed = findings_file(connection, desk.receipt(delivery)).decode()
    assert "calc" not in listed
    cells = [cell for line in csv.reader(io.StringIO(listed, newline="")) for cell in line]
    assert [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}] == []
    desk.passes({})


@pytest.mark.case(26)
def test_a_negative_number_is_never_made_another_one(desk: Desk) -> None:
    """Below the contract's least value it is a finding, and the value is left empty; it is never made positive."""
    desk.send(rows(visit(1, minutes=-5), visit(2, minutes=5)))
    [delivery] = desk.receive().new
    assert desk.intake.current() == [("V1", None), ("V2", 5)]
    assert desk.told_why(delivery) != []


@ON_ONE_SERVER
def test_a_value_that_is_planted_in_a_sink_is_found(desk: Desk, tmp_path: Path) -> None:
    """Or the default pass of all cases would mean nothing."""
    desk.send(GOOD)
    [delivery] = desk.receive().new
    assert desk.leaks() == {}
    log = tmp_path / "server.log"
    log.write_text(f"a message that quotes {SECRET}7", encoding="utf-8")
    desk.logs[log] = 0
    desk.said.append(f"KB-D06: {STEM}7 arrived incomplete")
    desk.warehouse.query("UPDATE ledger.event SET actor = %s WHERE delivery_id = %s", (f"{STEM}7", delivery))
    desk.warehouse.query("UPDATE record.person_address SET postal_code = %s", (f"{SECRET}7",))
    assert desk.leaks().keys() == {
        "server.log",
        "what people were told",
        "ledger.event",
        "tables that hold what the agreement does not allow",
    }
