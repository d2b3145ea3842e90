"""Preflight says what intake says: for every simulated feed, spoilt rows included, and for the file that is held."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.support.places import copy_of_gx
from typer.testing import CliRunner

from kinbridge.cli.main import app
from kinbridge.contract.odcs import feed_of
from kinbridge.delivery.plan import NamePattern, last_day
from kinbridge.ledger.deliveries import NewDelivery, get, register
from kinbridge.ledger.states import State
from kinbridge.preflight.render import write_json, write_page
from kinbridge.preflight.run import check_file
from kinbridge.preflight.sandbox import PREFIX, Sandbox, own_suites, sweep
from kinbridge.preflight.siblings import Sibling, in_order
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import validate_delivery
from kinbridge.simulator import simulate
from kinbridge.validation.expectations import project
from kinbridge.warehouse.connection import transaction

TODAY = date(2026, 9, 3)
ENROLLMENTS = "home_visiting/enrollments_v1"
# Feed, its file, and the month whose enrollments it builds on.
FILES = {
    "enrollments": (ENROLLMENTS, "home_visiting/enrollments_202607.csv"),
    "visits": ("home_visiting/visits_v1", "home_visiting/visits_202607.csv"),
    "referrals": ("home_visiting/referrals_v1", "home_visiting/referrals_202607.csv"),
    "medicaid": ("medicaid/eligibility_v1", "medicaid/eligibility_202607.txt"),
    "snap": ("snap/participation_v1", "snap/participation_202607.tsv"),
    "early intervention": ("early_intervention/services_v1", "early_intervention/ei_services_202607.csv"),
    "held": ("home_visiting/visits_v1", "home_visiting/visits_202608.csv"),
}
Row = tuple[Any, ...]


@dataclass
class Intake:
    """The steps of the receive DAG on the module's warehouse, without a server between."""

    warehouse: Any

    def take(self, feed_id: str, path: Path) -> int:
        feed, content = feed_of(feed_id), path.read_bytes()
        period = NamePattern.of(feed.dialect.file_pattern).period(path.name)
        assert period is not None
        copy = path.with_name(path.name + ".landed")
        copy.write_bytes(content)
        new = NewDelivery(
            partner=feed.partner,
            feed=feed.id,
            file_name=path.name,
            size_bytes=len(content),
            sha256=sha256(content).hexdigest(),
            remote_mtime=datetime.now(UTC),
            period=period,
            as_of=last_day(period),
            landed_path=str(copy),
            contract_version=feed.version,
            agreement_id="dsa",
            agreement_version="1",
        )
        dsn = self.warehouse.pipeline
        with transaction(dsn) as connection:
            delivery = register(connection, new, "test").delivery_id
        stage_delivery(dsn, delivery, TODAY)
        validate_delivery(dsn, delivery, TODAY)
        if self.state(delivery) is not State.HELD:
            load_delivery(dsn, delivery, TODAY)
        return delivery

    def state(self, delivery: int) -> State:
        with transaction(self.warehouse.pipeline) as connection:
            return get(connection, delivery).state

    def query(self, statement: str, delivery: int) -> list[Row]:
        return list(self.warehouse.query(statement, (delivery,)))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder, 250, 3, 2)
    return folder


@pytest.fixture(scope="module")
def taken(simulated: Path, warehouse: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Each file as intake took it in, by its name in `FILES`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINBRIDGE_GX", str(copy_of_gx(tmp_path_factory.mktemp("gx") / "gx")))
        project.cache_clear()
        intake = Intake(warehouse)
        yield {name: intake.take(feed, simulated / path) for name, (feed, path) in FILES.items()}
    project.cache_clear()


@pytest.fixture
def place(new_warehouse: Callable[[], Any], tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox on the session's Postgres; starting one of its own is tried below."""
    with own_suites(tmp_path / "gx"):
        yield Sandbox(tmp_path, new_warehouse().pipeline)


def checked(place: Sandbox, simulated: Path, name: str, *, siblings: bool = True) -> dict[str, Any]:
    feed, path = feed_of(FILES[name][0]), simulated / FILES[name][1]
    given = [Sibling(feed_of(ENROLLMENTS), simulated / FILES["enrollments"][1])] if feed.references and siblings else []
    out = io.StringIO()
    write_json(check_file(place, feed, path, siblings=in_order(feed, given), as_of=None, today=TODAY), out)
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


@pytest.mark.parametrize("name", FILES)
def test_preflight_comes_to_what_intake_comes_to(
    name: str, place: Sandbox, simulated: Path, taken: dict[str, int], warehouse: Any
) -> None:
    told, intake, delivery = checked(place, simulated, name), Intake(warehouse), taken[name]
    assert told["state"] == intake.state(delivery).value
    # So few referrals were made that none was spoilt; July's spoilt visits are so in a column that is no longer read.
    clean = {"held": "held", "referrals": "accepted", "visits": "accepted"}
    assert told["state"] == clean.get(name, "partly_accepted")
    [reason] = intake.query("SELECT coalesce(state_reason, '') FROM ledger.delivery WHERE delivery_id = %s", delivery)
    assert ", ".join(told["held_by"]) == reason[0]
    [fates] = intake.query(
        "SELECT source_rows, loaded + unchanged, quarantined, duplicate, undecided FROM ledger.account "
        "WHERE delivery_id = %s",
        delivery,
    )
    account = told["account"]
    assert (
        account["source_rows"],
        account["loaded"] + account["unchanged"],
        account["quarantined"],
        account["duplicate"],
        account["undecided"],
    ) == fates
    findings = intake.query("SELECT rule, line_no FROM ledger.finding WHERE delivery_id = %s ORDER BY 2, 1", delivery)
    assert bool(findings) == (name not in {"referrals", "visits"})
    assert [(f["rule"], f["line"]) for f in told["findings"] if not f["rule"].startswith("file.")] == findings
    results = intake.query(
        "SELECT rule, code, severity, scope, found FROM ledger.rule_result WHERE delivery_id = %s ORDER BY 1", delivery
    )
    rules = [tuple(r[key] for key in ("rule", "code", "severity", "scope", "found")) for r in told["rules"]]
    assert sorted(rules) == results


def test_findings_speak_in_the_words_of_the_partner(place: Sandbox, simulated: Path) -> None:
    told = checked(place, simulated, "medicaid")
    header = (simulated / FILES["medicaid"][1]).read_bytes().split(b"\r\n")[0].decode().split("|")
    named = {column for finding in told["findings"] for column in (finding["column"] or "").split(", ") if column}
    assert named
    assert named <= set(header)
    assert {"MONTHLY_INCOME", "DIAGNOSIS_CD"} == {c for item in told["not_checked"] for c in item["columns"]}
    assert not list(place.folder.rglob("*.landed")), "the copy is left"
    assert (simulated / FILES["medicaid"][1]).is_file(), "the partner's own file is gone"


def test_keys_of_a_sibling_that_was_not_given_are_not_checked_rather_than_failed(
    place: Sandbox, simulated: Path, taken: dict[str, int], warehouse: Any
) -> None:
    told = checked(place, simulated, "visits", siblings=False)
    [item] = [item for item in told["not_checked"] if item["rule"]]
    assert item["rule"].endswith(".reference")
    assert ENROLLMENTS in item["reason"]
    assert not [r for r in told["rules"] if r["rule"].endswith(".reference")]
    # All the rest is as at intake.
    others = Intake(warehouse).query(
        "SELECT rule, line_no FROM ledger.finding "
        "WHERE delivery_id = %s AND rule NOT LIKE '%%.reference' ORDER BY 2, 1",
        taken["visits"],
    )
    assert [(f["rule"], f["line"]) for f in told["findings"]] == others


def test_a_file_that_cannot_be_read_is_held_and_says_where(place: Sandbox, simulated: Path, tmp_path: Path) -> None:
    path = tmp_path / "visits_202607.csv"
    lines = (simulated / FILES["visits"][1]).read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:40], *['"zqcanary"zq'] * 1_001, *lines[40:]]), encoding="utf-8")
    result = check_file(place, feed_of("home_visiting/visits_v1"), path, as_of=None, today=TODAY)
    out, page = io.StringIO(), io.StringIO()
    write_json(result, out)
    write_page(result, Console(file=page, width=150))
    told = json.loads(out.getvalue())
    assert "held: The file would be held" in page.getvalue()
    assert "KB-F04" in page.getvalue()
    assert "zqcanary" not in page.getvalue() + out.getvalue()
    assert told["state"] == "held"
    assert "file.readable" in told["held_by"]
    [finding] = [f for f in told["findings"] if f["rule"] == "file.readable"]
    assert finding["line"] >= 41


def command(*words: object) -> list[str]:
    return [str(Path(sys.executable).with_name("kinbridge")), "preflight", *map(str, words)]


def test_the_command_by_itself_leaves_nothing_behind(simulated: Path, tmp_path: Path) -> None:
    """Alone: no service runs for it before, and none does afterwards."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "KINBRIDGE_STATE": str(tmp_path / "state")}
    feed, path = FILES["held"][0], simulated / FILES["held"][1]
    done = subprocess.run(
        command(feed, path, "--with", f"{ENROLLMENTS}={simulated / FILES['enrollments'][1]}", "--json"),
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 1, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["state"] == "held"
    assert told["sha256"] == sha256(path.read_bytes()).hexdigest()
    assert sum(r["found"] for r in told["rules"]) == len(told["findings"]) > 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("atlas/none_v1", "x.csv"), "KB-C03"),
        (("medicaid/eligibility_v1", "no such.csv"), "KB-P01"),
        (("medicaid/eligibility_v1", __file__, "--with", f"snap/participation_v1={__file__}"), "KB-P02"),
        (("medicaid/eligibility_v1", __file__, "--with", "snap"), "FEED=FILE"),
        (("medicaid/eligibility_v1", __file__, "--as-of", "July"), "2026-07-31"),
    ],
)
def test_a_command_that_is_not_right_ends_with_2(words: tuple[str, ...], text: str) -> None:
    done = CliRunner().invoke(app, ["preflight", *words])
    assert done.exit_code == 2
    assert text in done.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_a_preflight_that_is_broken_off_leaves_nothing(
    number: signal.Signals, simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C at once; after a kill, the next one tidies up."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    # Tests that run in the background ignore Ctrl-C, and so would what they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    running = subprocess.Popen(
        command("medicaid/eligibility_v1", simulated / FILES["medicaid"][1]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    signal.signal(signal.SIGINT, before)
    while not list(tmp_path.glob(f"{PREFIX}*/postgres/postgres.pid")):
        assert running.poll() is None, "it ended before Postgres was there"
        time.sleep(0.05)
    [folder] = tmp_path.glob(PREFIX + "*")
    running.send_signal(number)
    _, said = running.communicate(timeout=120)
    assert b"Traceback" not in said
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert sweep() == (1 if number is signal.SIGKILL else 0)
    assert not folder.exists()
    assert running.returncode == (-signal.SIGKILL if number is signal.SIGKILL else 130)


def test_a_sweep_spares_a_preflight_that_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / (PREFIX + "new")
    folder.mkdir()
    assert sweep() == 0
    assert folder.is_dir()
