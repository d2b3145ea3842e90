"""HMIS exports of both years: what is sound loads, each finding stands on its line, preflight says the same.

The FY2024 export has a fault of every kind in its files; the FY2026 export is clean and goes from the server to the
integrated tables. Both are made from the standard's facts, by the tests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.approving import approve
from tests.support.declared import USE_CASE, site_of
from tests.support.gates import open_gates
from tests.support.hmis_export import Row, csv_text, sound_row, sound_rows, write_zip
from tests.support.intake import drop, inbox

from kinbridge.bundled import sftp
from kinbridge.bundled.sftp import SftpService
from kinbridge.check.declarations import check
from kinbridge.contract.odcs import feeds
from kinbridge.delivery.collect import collect
from kinbridge.delivery.plan import Collected
from kinbridge.delivery.sftp import open_sftp
from kinbridge.demo.services import endpoint_of
from kinbridge.hmis.standard import Version, files
from kinbridge.hmis.write import write_set
from kinbridge.integration.build import build_integrated
from kinbridge.ledger.accounts import read
from kinbridge.ledger.deliveries import NewDelivery, get, register
from kinbridge.ledger.states import State
from kinbridge.preflight.run import check_file
from kinbridge.preflight.sandbox import Sandbox, own_suites
from kinbridge.receive.collect import gate, plan_of
from kinbridge.receive.load import load_delivery
from kinbridge.receive.receipt import send_receipt_of
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import judge, validate_delivery
from kinbridge.receive.work import work_on
from kinbridge.validation.findings import find
from kinbridge.warehouse.connection import transaction

PARTNER, TODAY, AS_OF = "north", date(2026, 6, 3), date(2026, 5, 31)
CLEAN_PATTERN = r"^hmis26_(?P<period>\d{6})\.zip$"
# The second opinion costs a second a file: it is asked where rows are faulty.
FAULTY = {"Client", "Exit"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose one partner has the feeds of both years, every decision taken."""
    with site_of(tmp_path_factory.mktemp("site")) as include:
        (include / "use_cases").mkdir()
        (include / "use_cases" / "counts.yaml").write_text(USE_CASE, encoding="utf-8")
        approve(include)
        written = write_set(PARTNER, "FY2024", into=include, today=TODAY)
        assert {problem.code for problem in check()} == {"KB-P10"}
        later = write_set(PARTNER, "FY2026", into=include, file_pattern=CLEAN_PATTERN, today=TODAY)
        decide({problem.path for problem in (*written.decisions, *later.decisions)})
        approve(include)
        feeds.cache_clear()
        yield include


def decide(paths: set[Path]) -> None:
    """What a person does who agrees with everything and signs."""
    for path in paths:
        text = re.sub(r"[ ]*# DECIDE:[^\n]*", "", path.read_text(encoding="utf-8"))
        text = re.sub(r"signed:\s*}", "signed: 2024-12-01 }", text)
        text = re.sub(r"expires: .*", "expires: 2999-12-31", re.sub(r"effective: .*", "effective: 2025-01-01", text))
        path.write_text(text, encoding="utf-8")


def feed_of(file: str, version: Version) -> Any:
    title = f"HMIS CSV {version}, {file}.csv"
    return next(feed for feed in feeds().values() if feed.title == title)


def in_reference_order(version: Version) -> list[str]:
    """The files, those that others refer to first."""
    ordered: list[str] = []
    known: set[str] = set()
    while len(ordered) < len(files(version)):
        for file in files(version):
            feed = feed_of(file, version)
            if file not in ordered and {reference.feed for reference in feed.references} <= known:
                ordered.append(file)
                known.add(feed.id)
    return ordered


@dataclass
class Intake:
    """The steps of the receive DAG on the module's warehouse."""

    warehouse: Any
    version: Version
    deliveries: dict[str, int] = field(default_factory=dict)

    def take(self, file: str, path: Path, *, gx: bool) -> int:
        """The zip as this file's feed takes it, without a server between."""
        feed, body = feed_of(file, self.version), path.read_bytes()
        landed = path.with_name(f"{path.name}.{len(self.deliveries)}.landed")
        landed.write_bytes(body)
        new = NewDelivery(
            partner=feed.partner,
            feed=feed.id,
            file_name=path.name,
            size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            remote_mtime=datetime.now(UTC),
            period=AS_OF.replace(day=1),
            as_of=AS_OF,
            landed_path=str(landed),
            contract_version=feed.version,
            agreement_id="dsa",
            agreement_version="1",
        )
        with transaction(self.warehouse.pipeline) as connection:
            delivery = register(connection, new, "test").delivery_id
        return self.work_off(file, delivery, gx=gx)

    def work_off(self, file: str, delivery: int, *, gx: bool) -> int:
        dsn = self.warehouse.pipeline
        stage_delivery(dsn, delivery, TODAY)
        if gx:
            validate_delivery(dsn, delivery, TODAY)
        else:
            with transaction(dsn) as connection, connection.cursor() as cursor:
                work = work_on(connection, delivery)
                judge(connection, cursor, work, find(cursor, work.landing, work.rules, AS_OF), {})
        if self.state(file, delivery) is not State.HELD:
            load_delivery(dsn, delivery, TODAY)
        self.deliveries[file] = delivery
        return delivery

    def state(self, file: str, delivery: int | None = None) -> State:
        with transaction(self.warehouse.pipeline) as connection:
            return get(connection, delivery or self.deliveries[file]).state

    def findings(self, file: str) -> dict[int, list[str]]:
        """The broken rules by line."""
        statement = """
            SELECT line_no, array_agg(rule ORDER BY rule)
            FROM ledger.finding WHERE delivery_id = %s GROUP BY line_no ORDER BY line_no
        """
        return dict(self.warehouse.query(statement, (self.deliveries[file],)))

    def of_the_file(self, file: str) -> set[str]:
        """The broken rules of the whole file."""
        statement = "SELECT rule FROM ledger.rule_result WHERE delivery_id = %s AND found > 0 AND scope = 'file'"
        return {rule for (rule,) in self.warehouse.query(statement, (self.deliveries[file],))}

    def account(self, file: str) -> tuple[int, ...]:
        """Source rows, loaded, quarantined, duplicate."""
        with transaction(self.warehouse.pipeline) as connection:
            found = read(connection, self.deliveries[file])
        assert found is not None
        return (found.source_rows, found.loaded, found.quarantined, found.duplicate)


def lines_of(file: str, rows: list[Row]) -> list[str]:
    """Header and rows as lines; the first row is on line 2."""
    return csv_text("FY2024", file, rows).split("\r\n")[:-1]


def text_of(lines: list[str]) -> str:
    return "\r\n".join(lines) + "\r\n"


def faulty_export(folder: Path) -> Path:
    """A fault of every kind, in several files; all other files are sound."""
    members = {file: csv_text("FY2024", file, sound_rows("FY2024", file, 9)).encode() for file in files("FY2024")}

    def rows(file: str, changes: dict[int, Row]) -> list[Row]:
        return [{**sound_row("FY2024", file, n), **changes.get(n, {})} for n in range(1, 10)]

    client = lines_of(
        "Client",
        rows(
            "Client",
            {
                4: {"PersonalID": "Client-3", "LastName": "Somebody else"},
                5: {"VeteranStatus": "7", "SSN": "999999999"},
                6: {"DOB": "1990-02-30", "YearSeparated": "1812"},
                9: {"FirstName": "A name that is much longer than the fifty characters it may have"},
            },
        ),
    )
    client[2] += ',"one too many"'
    client[8] = client[8].replace('"text, with a comma"', '"text, with a comma', 1)
    members["Client"] = text_of(client).encode("utf-8-sig")

    enrollment = rows(
        "Enrollment",
        {
            5: {"EntryDate": "01/05/2026"},
            6: {"EntryDate": "", "RelationshipToHoH": "6", "DateToStreetESSH": "2026-13-01"},
            9: {"PersonalID": "Client-99", "LivingSituation": "30"},
        },
    )
    members["Enrollment"] = text_of(lines_of("Enrollment", enrollment)).encode("utf-16")

    exits = lines_of(
        "Exit",
        rows("Exit", {1: {"Destination": "335"}, 9: {"DateCreated": "2026-05-04 00:00:00"}, 6: {"ExitDate": "soon"}}),
    )
    exits[9] = exits[9].replace('"2026-05-20",', '"2026-05-"20",', 1)
    members["Exit"] = b"\xfe\xff" + text_of(exits).encode("utf-16-be")

    income = lines_of(
        "IncomeBenefits",
        rows(
            "IncomeBenefits",
            {
                1: {"TotalMonthlyIncome": "-3"},
                8: {"EarnedAmount": "much", "DataCollectionStage": ""},
                9: {"DateCreated": "2026-05-04 24:00:00"},
            },
        ),
    )
    income[7] = income[7].rsplit(",", 3)[0]
    income[2] = income[2].replace("text, with a comma", "caf\xe9", 1)
    members["IncomeBenefits"] = text_of(income).encode("cp1252")

    disabilities = rows(
        "Disabilities",
        # Type 5 knows no response 2, which is a kind of substance.
        {1: {"DisabilityResponse": "4"}, 7: {"DisabilityType": "5", "DisabilityResponse": "2"}},
    )
    disabilities += [
        disabilities[0],
        {**disabilities[7], "DisabilitiesID": "D-10", "DateDeleted": "2026-05-09 01:02:03"},
    ]
    members["Disabilities"] = text_of(lines_of("Disabilities", disabilities)).encode()

    members["Services"] = text_of(lines_of("Services", rows("Services", {}))).encode("utf-16-le")
    members["Funder"] = members["Funder"].replace(b'"GrantID"', b'"Grant"', 1)
    members["Affiliation"] = members["Affiliation"].split(b"\r\n")[0] + b"\r\n"
    del members["Event"]
    named = {f"North Export/{file.upper() if file == 'User' else file}.csv": text for file, text in members.items()}
    return write_zip(folder / "hmis_202605.zip", {**named, "North Export/readme.txt": b"Made by the test."})


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faulty_export(tmp_path_factory.mktemp("faulty"))


@pytest.fixture(scope="module")
def taken(site: Path, faulty: Path, warehouse: Any) -> Intake:
    """The FY2024 export as intake took it, one delivery for each file."""
    intake = Intake(warehouse, "FY2024")
    for file in in_reference_order("FY2024"):
        intake.take(file, faulty, gx=file in FAULTY)
    return intake


def test_both_years_hold(site: Path) -> None:
    assert check() == []
    assert len(feeds()) == 2 * 24


def test_every_fault_is_found_on_its_line(taken: Intake) -> None:
    assert taken.findings("Client") == {
        3: ["row.shape"],
        4: ["personal_id.unique"],
        5: ["personal_id.unique"],
        6: ["ssn.placeholder", "veteran_status.code_set"],
        7: ["dob.type", "year_separated.range"],
        9: ["row.shape"],
        10: ["first_name.format"],
    }
    # Of the clients that were set aside (2, 3 and 8) the enrollments are orphans, and so is that of a stranger.
    assert taken.findings("Enrollment") == {
        3: ["personal_id.reference"],
        4: ["personal_id.reference"],
        5: ["personal_id.reference"],
        6: ["entry_date.type"],
        7: ["date_to_street_essh.type", "entry_date.presence", "relationship_to_hoh.code_set"],
        9: ["personal_id.reference"],
        10: ["living_situation.code_set", "personal_id.reference"],
    }
    assert own_faults(taken, "Exit") == {
        2: ["destination.code_set"],
        7: ["exit_date.type"],
        # The line's other fields stand where the quote has pushed them; that the row is broken is what counts.
        10: ["date_created__date_updated.date_order", "exit_date.type", "row.shape"],
    }
    assert own_faults(taken, "IncomeBenefits") == {
        2: ["total_monthly_income.range"],
        3: ["row.shape"],
        8: ["export_id.presence", "row.shape", "user_id.presence"],
        9: ["data_collection_stage.presence", "earned_amount.type"],
        10: ["date_created.type"],
    }
    pair = "disability_type__disability_response.code_set"
    assert own_faults(taken, "Disabilities") == {2: ["disability_response.code_set", pair], 8: [pair]}
    # Line 8 is of the one enrollment besides the first that is in order.
    assert set(taken.findings("HealthAndDV")) == {3, 4, 5, 6, 7, 9, 10}


def own_faults(taken: Intake, file: str) -> dict[int, list[str]]:
    """The findings by line, but for those that follow from rows of other files being set aside."""
    own = {
        line: [rule for rule in rules if not rule.endswith(".reference")]
        for line, rules in taken.findings(file).items()
    }
    return {line: rules for line, rules in own.items() if rules}


def test_what_is_sound_loads_and_every_row_has_a_fate(taken: Intake) -> None:
    assert taken.account("Client") == (9, 5, 4, 0)
    assert taken.account("Enrollment") == (9, 2, 7, 0)
    assert taken.account("Exit") == (9, 2, 7, 0)
    assert taken.account("IncomeBenefits") == (9, 1, 8, 0)
    assert taken.account("Disabilities") == (11, 2, 8, 1)
    assert taken.account("Affiliation") == (0, 0, 0, 0)
    for file in ("User", "Project", "Inventory", "CEParticipation"):
        assert taken.state(file) is State.ACCEPTED, file
        assert taken.findings(file) == {}
    person = "SELECT source_person_id, ssn, birth_date, first_name FROM record.person WHERE partner = %s ORDER BY 1"
    rows = {row[0]: row[1:] for row in taken.warehouse.query(person, (PARTNER,))}
    assert set(rows) == {f"Client-{n}" for n in (1, 5, 6, 7, 9)}
    # The value that broke a rule is left out, the rest of its row is there.
    assert rows["Client-1"] == ("078051120", date(1990, 2, 28), "text, with a comma")
    assert rows["Client-5"][0] is None
    assert rows["Client-6"][1] is None
    assert rows["Client-9"][2] is None
    kept = "SELECT content ? 'VeteranStatus' FROM record.supplementary_record WHERE source_record_id = %s"
    assert taken.warehouse.query(kept, ("Client-5",)) == [(False,)]
    assert taken.warehouse.query(kept, ("Client-6",)) == [(True,)]
    kept = "SELECT content ->> 'DisabilityType', content ? 'DisabilityResponse' FROM record.supplementary_record "
    assert taken.warehouse.query(kept + "WHERE source_record_id = 'Disabilities-7'") == [("5", False)]
    exits = "SELECT source_enrollment_id FROM record.program_exit ORDER BY 1"
    assert taken.warehouse.query(exits) == [("Enrollment-1",), ("Enrollment-7",)]


@pytest.mark.parametrize(
    ("file", "rule", "why"),
    [
        ("Services", "file.readable", "the text is UTF-16 without a byte order mark"),
        ("Event", "file.readable", "the zip has no file that delivery.member names"),
        ("Funder", "file.header", None),
    ],
)
def test_a_file_that_cannot_be_read_is_held_and_the_others_are_not(
    taken: Intake, file: str, rule: str, why: str | None
) -> None:
    assert taken.state(file) is State.HELD
    assert rule in taken.of_the_file(file)
    statement = "SELECT facts ->> 'unreadable_why' FROM ledger.event WHERE delivery_id = %s AND what = 'staged'"
    assert taken.warehouse.query(statement, (taken.deliveries[file],)) == [(why,)]


def test_preflight_of_the_zip_says_the_same(
    taken: Intake, faulty: Path, new_warehouse: Callable[[], Any], tmp_path: Path
) -> None:
    feed = feed_of("Client", "FY2024")
    with own_suites(tmp_path / "gx"):
        place = Sandbox(tmp_path, new_warehouse().pipeline)
        result = check_file(place, feed, faulty, as_of=None, today=TODAY)
        statement = "SELECT line_no, array_agg(rule ORDER BY rule) FROM ledger.finding GROUP BY 1"
        with transaction(place.dsn) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            found = dict(cursor.fetchall())
    assert found == taken.findings("Client")
    assert result.state is taken.state("Client")
    account = result.account
    assert (account.source_rows, account.loaded, account.quarantined) == taken.account("Client")[:3]


def test_a_day_of_deletion_deletes(taken: Intake, tmp_path: Path) -> None:
    """The next month's export: one client is deleted, one has changed, the others are as they were."""
    rows = [{**sound_row("FY2024", "Client", n)} for n in (1, 7, 9)]
    rows[0]["DateDeleted"] = "2026-05-30 10:00:00"
    rows[1]["DateUpdated"] = "2026-05-30 10:00:00"
    path = write_zip(tmp_path / "hmis_202605.zip", {"Client.csv": csv_text("FY2024", "Client", rows).encode()})
    later = Intake(taken.warehouse, "FY2024")
    later.take("Client", path, gx=False)
    assert later.account("Client") == (3, 3, 0, 0)
    current = "SELECT source_person_id FROM record.person WHERE known_to IS NULL AND feed LIKE %s ORDER BY 1"
    assert taken.warehouse.query(current, ("%v2024",)) == [(f"Client-{n}",) for n in (5, 6, 7, 9)]


# ------------------------------------------------------------------------------------------------- the clean export


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpService]:
    folder = tmp_path_factory.mktemp("sftp")
    yield sftp.start(folder, (PARTNER,))
    sftp.stop(folder)


def look(server: SftpService, warehouse: Any, file: str, landing: Path) -> Collected:
    """One look into the inbox, as the file's feed."""
    feed = feed_of(file, "FY2026")
    plan = plan_of(feed, gate(warehouse.pipeline, feed.id, TODAY))
    return collect(endpoint_of(server, PARTNER), plan, warehouse.pipeline, landing, settle_seconds=0)


def test_a_clean_export_goes_from_the_server_to_the_integrated_tables(
    site: Path, server: SftpService, new_warehouse: Callable[[], Any], tmp_path: Path
) -> None:
    warehouse = new_warehouse()
    members = {file: csv_text("FY2026", file, sound_rows("FY2026", file, 3)) for file in files("FY2026")}
    name = "hmis26_202605.zip"
    drop(server, PARTNER, write_zip(tmp_path / name, {f"{f}.csv": text.encode() for f, text in members.items()}))
    first = look(server, warehouse, "Enrollment", tmp_path / "landing")
    assert [(waiting.file, waiting.code) for waiting in first.waiting] == [(name, "KB-D22")]
    intake = Intake(warehouse, "FY2026")
    for file in in_reference_order("FY2026"):
        [delivery] = look(server, warehouse, file, tmp_path / "landing").new
        intake.work_off(file, delivery, gx=file == "Project")
        assert (file, intake.state(file), intake.findings(file)) == (file, State.ACCEPTED, {})
        assert intake.account(file)[0] == intake.account(file)[1] > 0
    assert inbox(server, PARTNER) == [name]
    delivery = intake.deliveries["Exit"]
    send_receipt_of(warehouse.pipeline, endpoint_of(server, PARTNER), delivery)
    with (
        open_sftp(endpoint_of(server, PARTNER)) as session,
        session.open(f"outbox/{name}.d{delivery}.receipt.html") as page,
    ):
        assert b"HMIS CSV FY2026, Exit.csv" in page.read()
    kept = "SELECT count(DISTINCT source_table) FROM record.supplementary_record"
    assert warehouse.query(kept) == [(24,)]
    warehouse.query(
        """
        INSERT INTO identity.run (model_version) VALUES ('test');
        INSERT INTO identity.person (person_id, first_run_id) SELECT gen_random_uuid(), 1 FROM record.person;
        INSERT INTO identity.person_link (partner, source_person_id, person_id, run_id)
        SELECT r.partner, r.source_person_id, p.person_id, 1
        FROM (SELECT *, row_number() OVER () AS n FROM record.person) AS r
        INNER JOIN (SELECT *, row_number() OVER () AS n FROM identity.person) AS p USING (n)
        """
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kinbridge.settings.HOME", Path(__file__).parents[2])
        fed = {feed for (feed,) in warehouse.query("SELECT feed FROM ledger.delivery")}
        build_integrated(warehouse.linkage, open_gates(fed))
    spells = "SELECT program, entry_date, exit_date FROM integrated.participation"
    assert warehouse.query(spells) == [("homeless_services", date(2026, 1, 5), date(2026, 5, 20))] * 3
    assert warehouse.query("SELECT count(*) FROM integrated.service_event") == [(3,)]
    assert warehouse.query("SELECT DISTINCT referred_to_program FROM integrated.referral") == [("housing",)]
    assert warehouse.query("SELECT DISTINCT sex FROM integrated.person") == [("Female",)]
