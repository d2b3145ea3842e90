"""Failure case 27: workers that are killed at every failpoint of every step of intake.

`FAILPOINTS` names every instant at which a step makes something last. A step that comes to commit, rename, send or
remove anything else fails the test until it is named here, and is then killed there like the others. After each kill
the steps are tried again, and the state is that of a clean run; no half file and no clear text is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pytest
from tests.support import failpoints
from tests.support.agency import PARTNER, agency_site, entry, rows
from tests.support.cases import Casework, visits
from tests.support.deliveries import TODAY, VISITS, Intake, visit
from tests.support.openpgp import PARTNER as PARTNER_KEY
from tests.support.openpgp import fingerprint, message, write_ours, write_public
from tests.support.replays import NO_LATEST_DAY
from tests.support.state import state_of, unbalanced

from kinbridge.calendar.pause import pause, resume
from kinbridge.contract.odcs import feed_of, feeds
from kinbridge.delivery.landing import feed_folder
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.states import State
from kinbridge.notice.post import post_delivery
from kinbridge.openpgp.keys import OUR_KEY
from kinbridge.quarantine.replay import replay_delivery
from kinbridge.receive.decide import APPROVE, REJECT, record_decision
from kinbridge.receive.load import load_delivery
from kinbridge.receive.receipt import send_receipt_of
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import validate_delivery
from kinbridge.settings import HOME, landing_folder
from kinbridge.warehouse.connection import transaction

MANIFEST = r", manifest: { filePattern: '^visits_(?P<period>\d{6})\.manifest\.json$', format: json }"
SEALED = f"{{channel: sftp, openpgp: {{signed_by: [{fingerprint(PARTNER_KEY)}], encrypted: true}}}}"
MAY, JUNE, NOTHING = "visits_202605.csv.pgp", "visits_202606.csv.pgp", "visits_202604.nothing"
LATE = visit(7, "P7", "12/31/2026")  # a day after the delivery's: quarantined until the contract is mended
CLEAR = {
    MAY: rows(*visits(1, 20), LATE, *visits(1, 1)),
    # A snapshot: some visits are no longer there, some are others, and the quarantined one comes corrected.
    JUNE: rows(*visits(5, 10), *visits(15, 8, 45), visit(7, "P7")),
}
# A message is sealed anew each time, and its bytes are another delivery's then.
SEALS = lru_cache(message)
FETCH = ("delivery.transfer._create: make", "delivery.transfer.run: rename")
MANIFEST_READ, FORGET = "delivery.whole._fetch: remove", "delivery.collect.take: remove"
OPEN = (
    "openpgp.clear.clear_file: make",
    "openpgp.clear.clear_file: remove",
    "openpgp.clear._run: run a process",
)
LOAD = ("receive.load.load_delivery: commit", "receive.load._forget_file: remove")
FAILPOINTS: dict[str, tuple[str, ...]] = {
    "collect": (*FETCH, MANIFEST_READ, "delivery.collect._register: commit"),
    "collect: not as listed": (*FETCH, MANIFEST_READ, "delivery.collect._turned_away: commit", FORGET),
    "collect: nothing to report": (*FETCH, "delivery.collect._register: commit", FORGET),
    "collect: the same bytes again": (*FETCH, MANIFEST_READ, "delivery.collect._register: commit", FORGET),
    "collect: a landed file was lost": (*FETCH, "delivery.collect._register: commit"),
    "collect: what a kill left is swept": (
        "delivery.landing.sweep: remove",
        "delivery.collect.collect: commit",
        *FETCH,
        "delivery.collect._register: commit",
    ),
    "stage": (*OPEN, "openpgp.clear.clear_file: link", "receive.stage.stage_delivery: commit"),
    "stage: not sealed as agreed": (*OPEN, "receive.stage.stage_delivery: commit", "receive.stage._destroy: remove"),
    "validate": ("receive.validate.validate_delivery: commit",),
    "decide": ("receive.decide.record_decision: commit",),
    "load": LOAD,
    "load: a snapshot that closes and corrects": LOAD,
    "load: rejected": LOAD,
    "receipt": (
        "delivery.transfer.upload: make there",
        "delivery.transfer._rename: rename there",
        "receive.receipt.send_receipt_of: commit",
    ),
    "notice": ("notice.post._send: send a mail", "notice.post.post_delivery: commit"),
    "replay": ("quarantine.replay.replay_delivery: commit",),
    "pause and resume": ("warehouse.connection.transaction: commit",),
}
KILLED: set[str] = set()
PACKAGES = (
    "calendar",
    "delivery",
    "format",
    "ledger",
    "load",
    "manifest",
    "notice",
    "openpgp",
    "quarantine",
    "receipt",
    "receive",
    "staging",
    "validation",
)


@dataclass
class Office(Casework):
    """The agency, and the steps of its deliveries as the DAG takes them."""

    folder: Path = Path()
    contract: str = ""
    mails: list[str] = field(default_factory=list)

    def send(self, name: str, content: bytes | None = None, **wrong: Any) -> None:
        """Put a sealed file there with its manifest."""
        sealed = SEALS(CLEAR[name]) if content is None else content
        self.drop(name, sealed)
        self.list_files(entry(name, sealed, **wrong), month=name[7:13])

    @property
    def deliveries(self) -> list[int]:
        """All deliveries so far."""
        found = self.warehouse.query("SELECT delivery_id FROM ledger.delivery ORDER BY 1")
        return [int(str(number)) for (number,) in found]

    def state_of(self, delivery: int) -> State:
        return self.delivery(delivery).state

    def step(self, name: str) -> None:
        """One step with every delivery that there is; what is past it, it passes by."""
        for delivery in self.deliveries:
            STEPS[name](self, delivery)

    def collect_again(self) -> None:
        self.collect(resume_since=self.began)

    def until(self, name: str) -> None:
        """Collect, and the steps up to and with this one."""
        self.collect_again()
        for step in STEPS:
            self.step(step)
            if step == name:
                return

    def post(self, mail: Any) -> None:
        failpoints.happens("send a mail")
        self.mails.append(mail.subject)

    def clear_away(self) -> None:
        """Back to the beginning."""
        self.leave()
        (self.folder / "contract.odcs.yaml").write_text(self.contract, encoding="utf-8")
        feeds.cache_clear()
        for path in (self.inbox.parent / "outbox").iterdir():
            path.unlink()
        self.warehouse.query("TRUNCATE ledger.notice, ledger.mail, ledger.pause, ledger.event CASCADE")
        self.mails.clear()
        self.began = datetime.now(UTC)


def stage(office: Office, delivery: int) -> None:
    stage_delivery(office.warehouse.pipeline, delivery, TODAY)


def validate(office: Office, delivery: int) -> None:
    validate_delivery(office.warehouse.pipeline, delivery, TODAY)


def load(office: Office, delivery: int) -> None:
    decided = office.warehouse.query("SELECT 1 FROM ledger.decision WHERE delivery_id = %s", (delivery,))
    if office.state_of(delivery) is not State.HELD or decided:
        load_delivery(office.warehouse.pipeline, delivery, TODAY)


def receipt(office: Office, delivery: int) -> None:
    send_receipt_of(office.warehouse.pipeline, office.endpoint(), delivery)


def notice(office: Office, delivery: int) -> None:
    post_delivery(office.warehouse.pipeline, delivery, office.post)


STEPS: dict[str, Callable[[Office, int], None]] = {
    "stage": stage,
    "validate": validate,
    "load": load,
    "receipt": receipt,
    "notice": notice,
}


def sent(*names: str, until: str = "") -> Callable[[Office], None]:
    """The files lie in the inbox, one after the other taken up to this step."""

    def arrange(office: Office) -> None:
        for name in names:
            office.send(name)
            if until == "collect":
                office.collect_again()
            elif until:
                office.until(until if name == names[-1] else "notice")

    return arrange


def decided(choice: str) -> Callable[[Office], None]:
    """A held delivery is decided on."""

    def step(office: Office) -> None:
        for one in office.deliveries:
            record_decision(office.warehouse.pipeline, one, choice, "a person", datetime.now(UTC), "")

    return step


def held(office: Office) -> None:
    """May, with so many rows that break a rule that a person has to decide."""
    office.send(MAY, SEALS(rows(*visits(1, 3), *[LATE.replace("V7", f"V{n}") for n in range(50, 60)])))
    office.until("validate")
    assert [office.state_of(one) for one in office.deliveries] == [State.HELD]


def replayed(office: Office) -> None:
    """The contract is mended for good, until all is cleared away, and May replayed."""
    file, old, new = NO_LATEST_DAY
    (office.folder / file).write_text(office.contract.replace(old, new), encoding="utf-8")
    feeds.cache_clear()
    replay_delivery(office.warehouse.pipeline, office.deliveries[0], TODAY, "a person")


def paused_and_resumed(office: Office) -> None:
    pipeline = office.warehouse.pipeline
    with suppress(KinbridgeError), transaction(pipeline) as connection:  # it is paused already
        pause(connection, PARTNER, "a reason", "a person", datetime.now(UTC))
    with suppress(KinbridgeError), transaction(pipeline) as connection:  # it is resumed already
        resume(connection, PARTNER, "a person", datetime.now(UTC))


def lost(office: Office) -> None:
    sent(MAY, until="collect")(office)
    for path in office.landed():
        path.unlink()


def stray(office: Office) -> None:
    """Two files of a run that died are all that there is."""
    lost(office)
    for name in ("a.part", "b.delivery"):
        (feed_folder(landing_folder(), feed_of(VISITS).slug) / name).write_bytes(b"x")


def sent_again(office: Office) -> None:
    sent(MAY, until="load")(office)
    office.drop(MAY, (office.inbox / MAY).read_bytes(), age=30)


def sent_open(office: Office) -> None:
    """May as it is, without a seal, collected."""
    office.send(MAY, CLEAR[MAY])
    office.collect_again()


def held_and(choice: str) -> Callable[[Office], None]:
    """May held, and decided on."""

    def arrange(office: Office) -> None:
        held(office)
        decided(choice)(office)

    return arrange


def again(name: str) -> Callable[[Office], None]:
    """The step with this name, as the one that is watched."""
    return lambda office: office.step(name)


SCENES: dict[str, tuple[Callable[[Office], object], Callable[[Office], object]]] = {
    "collect": (sent(MAY), Office.collect_again),
    "collect: not as listed": (lambda office: office.send(MAY, sha256="0" * 64), Office.collect_again),
    "collect: nothing to report": (lambda office: office.drop(NOTHING, b""), Office.collect_again),
    "collect: the same bytes again": (sent_again, Office.collect_again),
    "collect: a landed file was lost": (lost, Office.collect_again),
    "collect: what a kill left is swept": (stray, lambda office: office.collect(stray_after_seconds=0)),
    "stage": (sent(MAY, until="collect"), again("stage")),
    "stage: not sealed as agreed": (sent_open, again("stage")),
    "validate": (sent(MAY, until="stage"), again("validate")),
    "decide": (held, decided(APPROVE)),
    "load": (sent(MAY, until="validate"), again("load")),
    "load: a snapshot that closes and corrects": (sent(MAY, JUNE, until="validate"), again("load")),
    "load: rejected": (held_and(REJECT), again("load")),
    "receipt": (sent(MAY, until="load"), again("receipt")),
    "notice": (sent(MAY, until="receipt"), again("notice")),
    "replay": (sent(MAY, until="notice"), replayed),
    "pause and resume": (lambda office: None, paused_and_resumed),
}


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with agency_site(tmp_path_factory.mktemp("site"), MANIFEST, SEALED) as folder, failpoints.without_gx():
        [path] = folder.rglob("contract.odcs.yaml")
        text = path.read_text(encoding="utf-8")
        snapshot = "maxBadRowShare: 0.4, kind: snapshot, absence: closed, maxClosedShare: 0.5"
        path.write_text(text.replace("maxBadRowShare: 0.4", snapshot), encoding="utf-8")
        feeds.cache_clear()
        write_public(folder, PARTNER, [PARTNER_KEY.extract_certificate()])
        yield folder


@pytest.fixture
def office(
    include: Path, warehouse: Any, sftp_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    monkeypatch.setenv(OUR_KEY, str(write_ours(tmp_path)))
    [contract] = include.rglob("contract.odcs.yaml")
    text = contract.read_text(encoding="utf-8")
    made = Office(warehouse, sftp_server, "home_visiting", Intake(warehouse, tmp_path), folder=contract.parent)
    made.contract = text
    yield made
    made.clear_away()


def ended(office: Office, step: Callable[[Office], object]) -> dict[str, Any]:
    """The step is tried again, then those after it, and the next collect is there to sweep; what it came to."""
    step(office)
    for name in STEPS:
        office.step(name)
    office.collect(stray_after_seconds=0)
    assert unbalanced(office.warehouse.superuser) == []
    assert office.landed() == []
    told = office.warehouse.query("SELECT kind, feed, period, state FROM ledger.notice ORDER BY 1, 2, 3, 4")
    outbox = sorted(path.name.partition(".d")[0] for path in (office.inbox.parent / "outbox").iterdir())
    return {**state_of(office.warehouse.superuser), "told": str(told), "outbox": str(outbox)}


@pytest.mark.case(27)
@pytest.mark.parametrize("name", SCENES)
def test_killed_at_every_failpoint(office: Office, name: str) -> None:
    arrange, step = SCENES[name]
    arrange(office)
    found = failpoints.names_of(partial(step, office))
    assert tuple(dict.fromkeys(found)) == FAILPOINTS[name]
    clean = ended(office, step)
    # From the last to the first: of several of one name the last one, and what was killed in another scene only where
    # it commits, for what it commits is another matter.
    for number, point in reversed(list(enumerate(found))):
        if point in KILLED and (not point.endswith("commit") or point in found[number + 1 :]):
            continue
        KILLED.add(point)
        office.clear_away()
        arrange(office)
        assert failpoints.kill_before(partial(step, office), number) == point
        # What the killed process left is what the agency sent; nothing of it is open that was sealed.
        as_sent = {path.read_bytes() for path in office.inbox.iterdir()}
        left = {path.read_bytes() for path in office.landed() if path.is_file()}
        assert {content for content in left - as_sent if b"visit_id" in content} == set()
        assert ended(office, step) == clean, point
    office.passes({})


def test_nothing_is_committed_where_no_failpoint_would_be_seen() -> None:
    """Intake writes through one function's commit, or through the connection of a lock in autocommit: both are seen."""
    ours = HOME / "plugins" / "kinbridge"
    ways = re.compile(r"psycopg2\.connect\(|\.commit\(\)|autocommit|AUTOCOMMIT|shutil\.move")
    found = {
        f"{path.parent.name}/{path.name}"
        for package in (*PACKAGES, "warehouse")
        for path in (ours / package).glob("*.py")
        if ways.search(path.read_text(encoding="utf-8"))
    }
    # Migrations and roles are no part of intake.
    assert found - {"warehouse/migrate.py", "warehouse/roles.py"} == {"warehouse/connection.py", "ledger/locks.py"}
