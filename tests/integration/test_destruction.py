"""Destruction on a real warehouse: destroyed everywhere, proven, certified; refused where it must be; safe to kill."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from tests.support import workers
from tests.support.failpoints import kill_before
from tests.support.gates import open_gates
from tests.support.retained import AFTER, ATLAS, BOREAS, Retained, person, retained_site
from typer.testing import CliRunner, Result

from kinbridge.backup.make import make_backup
from kinbridge.backup.restore import restore_backup
from kinbridge.cli.main import app
from kinbridge.destruction.carry_out import carry_out
from kinbridge.destruction.erase import flush
from kinbridge.destruction.file_search import hits_in_file
from kinbridge.destruction.proposal import decide
from kinbridge.errors import KinbridgeError
from kinbridge.linkage.decision import pair_of, record_decision
from kinbridge.linkage.model import read_model
from kinbridge.linkage.run import link_people
from kinbridge.retention.hold import lift_hold, place_hold
from kinbridge.retention.request import request_destruction
from kinbridge.warehouse.connection import Dsn, transaction

DESTROYED = "atqz"  # stands in every value of the one partner, and nowhere else
BY = "A Chair"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with retained_site(tmp_path_factory.mktemp("retained")) as include:
        yield include


@pytest.fixture
def retained(site: Path, new_warehouse: Callable[[], Any], tmp_path: Path) -> Retained:
    store = Retained(new_warehouse(), tmp_path)
    store.fill()
    return store


@pytest.fixture
def quick(retained: Retained) -> Retained:
    """The same, without making figures anew each time."""
    retained.site = replace(retained.site, rebuild=lambda _: None)
    return retained


def _code(action: Callable[[], object]) -> str:
    with pytest.raises(KinbridgeError) as caught:
        action()
    return caught.value.code


def _words(path: Path) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(path).pages))


@pytest.mark.case(40)
def test_an_ended_agreement_is_destroyed_everywhere_and_in_backups_and_certified(
    retained: Retained, new_warehouse: Callable[[], Any]
) -> None:
    backup = make_backup(retained.warehouse.owner, retained.folder / "backups", retained.site.keys, "the test")
    folder = retained.folder / "backups" / backup.backup_id
    assert "record.person" in retained.holding(DESTROYED)

    certificate = carry_out(retained.site, retained.batch_over(ATLAS), BY)

    assert certificate is not None
    assert (certificate.proof.hits, certificate.proof.probes) == (0, 50)
    assert retained.holding(DESTROYED) == []
    assert set(retained.holding("boqz0001")) == {"identity.person_link", "record.person"}
    files = [path for path in retained.folder.rglob("*") if path.is_file()]
    assert [path.name for path in files if hits_in_file(path, [DESTROYED])] == []
    assert [path for path in (retained.folder / "landing").iterdir() if "boqz" in path.read_text()] != []
    # What a backup of before gives back is the other partner's.
    again = new_warehouse()
    restored = restore_backup(again.owner, folder, retained.site.keys)
    assert restored.destroyed == dict.fromkeys(("feed:atlas/people_v1", "partners:atlas"), "destruction 1")
    assert again.query("SELECT DISTINCT partner FROM record.person") == [("boreas",)]

    said = _words(certificate.path)
    for text in (
        "Certificate of destruction no. 1",
        "The atlas office",
        ATLAS,
        "destruction.within_days (include/agreements/atlas.yaml:20)",
        f"by {BY}",
        "Found 0 times",
        "What remains, and why",
        "Records, with their history 20 ",
        "Keys of backups 2 ",
    ):
        assert text in said
    assert DESTROYED not in said.casefold()
    assert retained.warehouse.query("SELECT sha256 FROM ledger.certificate") == [(certificate.sha256,)]
    assert hashlib.sha256(certificate.path.read_bytes()).hexdigest() == certificate.sha256


@pytest.mark.case(40)
def test_the_files_of_the_database_and_its_log_hold_nothing_either(quick: Retained) -> None:
    [(data,)] = quick.warehouse.query("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
    [(number,)] = quick.warehouse.query("SELECT oid FROM pg_database WHERE datname = current_database()")
    own, log = Path(str(data)) / "base" / str(number), Path(str(data)) / "pg_wal"
    assert _in_files(log, DESTROYED) != []
    quick.warehouse.query("CHECKPOINT")
    assert _in_files(own, DESTROYED) != []
    carry_out(quick.site, quick.batch_over(ATLAS), BY)
    flush(quick.warehouse.superuser)
    assert _in_files(own, DESTROYED) == []
    assert _in_files(log, DESTROYED) == []


@pytest.mark.case(40)
@pytest.mark.parametrize("column", ["value", "rendered_fields"])
def test_a_value_in_airflows_metadata_keeps_the_certificate_back(quick: Retained, column: str) -> None:
    """A probe planted where a task might have put it: in what tasks hand on, or in what is shown of them."""
    table = {"value": "xcom", "rendered_fields": "rendered_task_instance_fields"}[column]
    batch = quick.batch_over(ATLAS)
    metadata = quick.warehouse.superuser.with_database("postgres")
    every = ";".join(person("atlas", number) for number in range(20))
    _run(metadata, f"CREATE TABLE public.{table} (run_id text, {column} text)")
    try:
        _run(metadata, f"INSERT INTO public.{table} VALUES ('run', '{every}')")
        site = replace(quick.site, airflow=metadata)
        with pytest.raises(KinbridgeError, match=f'airflow public."{table}"'):
            carry_out(site, batch, BY)
        _run(metadata, f"TRUNCATE public.{table}")
        done = carry_out(site, batch, BY)
        assert done is not None
        assert done.proof.hits == 0
    finally:
        _run(metadata, f"DROP TABLE public.{table}")


def _run(dsn: Dsn, statement: str) -> None:
    with transaction(dsn) as connection:
        connection.cursor().execute(statement)


@pytest.mark.case(40)
def test_what_linkage_keeps_of_them_is_destroyed_too(quick: Retained) -> None:
    gates, model = open_gates({ATLAS, BOREAS}), read_model()
    quick.warehouse.query("DELETE FROM identity.person_link")
    linked = link_people(quick.warehouse.linkage, model, gates)
    pair = pair_of(("atlas", "atqz0001id"), ("boreas", "boqz0001id"))
    with transaction(quick.warehouse.steward) as connection:
        record_decision(connection, pair, "different", "atqz0001id is another", BY)
    link_people(quick.warehouse.linkage, model, gates)
    held = set(quick.holding(DESTROYED))
    assert {"identity.prepared", "identity.membership", "identity.pair_decision"} <= held
    carry_out(quick.site, quick.batch_over(ATLAS), BY)
    assert quick.holding(DESTROYED) == []
    again = link_people(quick.warehouse.linkage, model, gates)
    assert (again.scope, again.training, again.records) == ("whole", linked.training, 20)
    assert (again.new_people, again.merged, again.split) == (0, 0, 0)


def _in_files(folder: Path, text: str) -> list[str]:
    """Files of a data directory that hold the text."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and hits_in_file(path, [text]):
                found.append(str(path.relative_to(folder)))
        except FileNotFoundError:
            continue
    return found


def _database_refuses(quick: Retained, batch: int) -> None:
    """Whoever goes around the program gets no further than that."""
    for kind in ("record", "quarantine", "identity"):
        with pytest.raises(KinbridgeError, match="KB-S26"), transaction(quick.site.pipeline) as connection:
            connection.cursor().execute("SELECT retention.destroy(%s, %s)", (batch, kind))


def test_nothing_is_destroyed_that_no_person_approved(quick: Retained) -> None:
    [batch, *_] = quick.propose()
    assert _code(lambda: carry_out(quick.site, batch, BY)) == "KB-U02"
    _database_refuses(quick, batch)
    with transaction(quick.site.pipeline) as connection:
        decide(connection, batch, "rejected", BY, datetime.now(UTC), reason="The agreement is being renewed.")
    assert _code(lambda: carry_out(quick.site, batch, BY)) == "KB-U02"
    _database_refuses(quick, batch)
    assert "record.person" in quick.holding(DESTROYED)


def test_nothing_is_destroyed_while_a_hold_stands(quick: Retained) -> None:
    batch = quick.batch_over(ATLAS)
    with transaction(quick.warehouse.steward) as connection:
        place_hold(connection, ATLAS, "A court has asked for the records.", BY)
    assert _code(lambda: carry_out(quick.site, batch, BY)) == "KB-U03"
    with pytest.raises(KinbridgeError, match="KB-S26"), transaction(quick.site.pipeline) as connection:
        connection.cursor().execute("SELECT retention.destroy(%s, 'record')", (batch,))
    assert "record.person" in quick.holding(DESTROYED)
    assert [due.held for due in quick.due() if due.feed == ATLAS] == [True] * 3
    with transaction(quick.warehouse.steward) as connection:
        lift_hold(connection, ATLAS, BY)
        place_hold(connection, BOREAS, "The same court.", BY)
    [(other,)] = quick.warehouse.query("SELECT destruction_id FROM ledger.destruction WHERE feed = %s", (BOREAS,))
    assert _code(lambda: quick.approve(int(str(other)))) == "KB-U03"
    assert carry_out(quick.site, batch, BY) is not None


@pytest.mark.parametrize("place", ["table", "file", "compressed file"])
def test_a_copy_that_nobody_knew_of_keeps_the_certificate_back(quick: Retained, place: str) -> None:
    batch = quick.batch_over(ATLAS)
    every = ";".join(person("atlas", number) for number in range(20)).upper()
    copy = quick.folder / "landing" / "export.txt"
    if place == "table":
        quick.warehouse.query("CREATE TABLE ledger.copy AS SELECT %s AS said", (every,))
        quick.warehouse.query("ALTER TABLE ledger.copy OWNER TO kb_owner")
    else:
        copy.write_bytes(every.encode() if place == "file" else gzip.compress(every.encode()))
    with pytest.raises(KinbridgeError, match=f"KB-U06.* in {'ledger.copy' if place == 'table' else 'export.txt'}"):
        carry_out(quick.site, batch, BY)
    assert quick.warehouse.query("SELECT * FROM ledger.certificate") == []
    if place == "table":
        quick.warehouse.query("DROP TABLE ledger.copy")
    else:
        copy.unlink()
    certificate = carry_out(quick.site, batch, BY)
    assert certificate is not None
    assert carry_out(quick.site, batch, BY) is None


def test_a_worker_may_be_killed_at_any_instant(quick: Retained, new_warehouse: Callable[[], Any]) -> None:
    make_backup(quick.warehouse.owner, quick.folder / "backups", quick.site.keys, "the test")
    batch = quick.batch_over(ATLAS)
    reached: list[str] = []
    # Each kill is followed by another try, which goes on where the last one was and gets some instants further.
    for number in range(3, 100):
        workers.wait_until_alone(quick.warehouse.superuser)
        try:
            reached.append(kill_before(lambda: carry_out(quick.site, batch, BY), number))
        except AssertionError:
            break
    assert len(reached) > 3
    workers.wait_until_alone(quick.warehouse.superuser)
    carry_out(quick.site, batch, BY)
    assert quick.holding(DESTROYED) == []
    assert quick.warehouse.query("SELECT count(*) FROM ledger.certificate") == [(1,)]
    assert set(quick.holding("boqz0001")) == {"identity.person_link", "record.person"}
    assert list((quick.folder / "probes").iterdir()) == []


def test_a_request_destroys_one_person_and_nobody_else(quick: Retained) -> None:
    with transaction(quick.warehouse.steward) as connection:
        request_destruction(connection, "atlas", "atqz0003id", ground="parent", reason="A parent asked for it.", by=BY)
    today = datetime.now(UTC).date()
    [batch] = quick.propose(today)
    quick.approve(batch)
    certificate = carry_out(quick.site, batch, BY)
    assert certificate is not None
    assert quick.holding("atqz0003") == []
    assert quick.warehouse.query("SELECT count(*) FROM record.person WHERE partner = 'atlas'") == [(19,)]
    assert "303.416" in _words(certificate.path)
    assert quick.propose(today) == []


def test_old_rows_go_and_newer_ones_of_the_same_feed_stay(quick: Retained) -> None:
    quick.warehouse.query(
        "UPDATE record.person SET as_of = '2023-01-31' WHERE source_person_id BETWEEN 'atqz0000' AND 'atqz0004'"
    )
    day = datetime.now(UTC).date()
    [old] = [due for due in quick.due(day) if due.kind.value == "record"]
    assert (old.feed, old.things) == (ATLAS, 4)
    assert "retention.records_months (include/agreements/atlas.yaml" in old.clause
    batch = quick.batch_over(ATLAS, day)
    assert carry_out(quick.site, batch, BY) is not None
    assert quick.warehouse.query("SELECT count(*) FROM record.person WHERE partner = 'atlas'") == [(16,)]
    assert quick.holding("atqz0003") == []
    assert "record.person" in quick.holding("atqz0004")


def test_a_question_is_asked_once_and_rests_after_a_rejection(quick: Retained) -> None:
    first = quick.propose()
    assert len(first) == 2
    assert quick.propose() == []
    with transaction(quick.warehouse.steward) as connection:
        moment = datetime(AFTER.year, AFTER.month, AFTER.day, tzinfo=UTC)
        decide(connection, first[0], "rejected", BY, moment, reason="Ask again.", not_before=AFTER.replace(day=9))
    assert quick.propose(AFTER.replace(day=8)) == []
    assert len(quick.propose(AFTER.replace(day=9))) == 1


def test_whoever_proposed_it_cannot_approve_it_and_a_decision_stands(quick: Retained) -> None:
    [batch, other] = quick.propose()
    assert _code(lambda: quick.approve(batch, by=" GOVERN ")) == "KB-U12"
    assert _code(lambda: quick.approve(batch, by="Bartholomew Nguyen-Sato")) == "KB-U14"
    quick.approve(batch)

    def reject(number: int, reason: str) -> None:
        with transaction(quick.warehouse.steward) as connection:
            decide(connection, number, "rejected", BY, datetime.now(UTC), reason=reason)

    assert _code(lambda: reject(batch, "Too late.")) == "KB-U05"
    assert _code(lambda: reject(other, " ")) == "KB-U07"


def test_a_refusal_of_consent_outlives_the_records_while_another_partner_knows_the_person(quick: Retained) -> None:
    quick.warehouse.query(
        """
        UPDATE identity.person_link SET person_id = other.person_id
        FROM identity.person_link AS other
        WHERE person_link.source_person_id = 'atqz0005id' AND other.source_person_id = 'boqz0005id'
        """
    )
    for person_id in ("atqz0005id", "atqz0006id"):
        quick.warehouse.query(
            """
            INSERT INTO record.consent
            (source_consent_id, source_person_id, decision, effective_from, partner, feed, delivery_id, line_no,
            contract_version, as_of, known_from)
            VALUES ('c' || %s, %s, 'revoked', '2026-01-01', 'atlas', %s, 1, 1, '1', '2026-06-30', now())
            """,
            (person_id, person_id, ATLAS),
        )
    certificate = carry_out(quick.site, quick.batch_over(ATLAS), BY)
    assert certificate is not None
    assert quick.warehouse.query("SELECT source_person_id FROM record.consent") == [("atqz0005id",)]
    assert set(quick.holding("atqz0005")) == {"record.consent", "identity.person_link"}
    assert quick.holding("atqz0006") == []
    assert "1 statements on consent" in _words(certificate.path)


def test_the_commands_of_a_steward_work_as_they_are_typed(retained: Retained, monkeypatch: pytest.MonkeyPatch) -> None:
    store = retained.warehouse
    for name in ("pipeline", "linkage", "steward"):
        monkeypatch.setenv(f"KINBRIDGE_{name.upper()}_URL", getattr(store, name).to_url())

    def typed(*words: str, code: int = 0) -> str:
        result: Result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, (words, result.output, result.exception)
        return result.output + str(result.exception or "")

    assert "Nothing is due." in typed("retention", "due", "--day", "2026-07-01")
    assert "2 months" not in typed("retention", "rules")
    due = typed("retention", "due", "--day", "2027-02-01")
    assert f"{ATLAS}  record  20, the oldest of 2026-06-30, due since 2027-01-01, until 2027-01-30" in due
    assert DESTROYED not in due + typed("retention", "due", "--day", "2027-02-01", "--json")
    typed("retention", "hold", ATLAS, "--reason", "A court has asked.", "--by", BY)
    assert "A court has asked." in typed("retention", "holds")
    assert "HELD" in typed("retention", "due", "--day", "2027-02-01")
    assert "Proposed: 1." in typed("destruction", "propose", "--day", "2027-02-01", "--by", "govern")
    typed("retention", "lift", ATLAS)
    assert "Proposed: 2." in typed("destruction", "propose", "--day", "2027-02-01", "--by", "govern")
    assert "KB-U02" in typed("destruction", "carry-out", "2", code=1)
    typed("destruction", "reject", "1", "--by", BY, "--reason", "It is being renewed.")
    typed("destruction", "approve", "2", "--by", BY)
    listed = typed("destruction", "list")
    assert f"1  {BOREAS}  agreement ended  rejected" in listed
    assert f"2  {ATLAS}  agreement ended  approved" in listed
    done = typed("destruction", "carry-out", "2", "--by", BY, "--search", str(retained.folder / "landing"))
    assert "found 0 times" in done
    assert "certified already" in typed("destruction", "carry-out", "2")
    assert retained.holding(DESTROYED) == []
    typed(
        "retention",
        "request",
        "--partner",
        "boreas",
        "--person",
        "boqz0001id",
        "--ground",
        "parent",
        "--reason",
        "Asked.",
    )
    assert "request 1 to boreas" in typed("retention", "due")


def test_the_pipeline_itself_may_delete_nothing_of_the_record(quick: Retained) -> None:
    with pytest.raises(KinbridgeError, match="KB-S25"), transaction(quick.site.pipeline) as connection:
        connection.cursor().execute("DELETE FROM record.person")
    assert BOREAS in {due.feed for due in quick.due()}
