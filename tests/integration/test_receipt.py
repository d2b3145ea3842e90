"""Receipts read from a real ledger and sent to a real outbox."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from kinbridge.delivery.sftp import SftpEndpoint
from kinbridge.errors import KinbridgeError
from kinbridge.ledger import accounts, deliveries
from kinbridge.ledger.deliveries import NewDelivery
from kinbridge.ledger.events import record_event
from kinbridge.ledger.states import State
from kinbridge.receipt.findings_file import findings_file
from kinbridge.receipt.model import MOST_LISTED, LineRange, Receipt, RuleText
from kinbridge.receipt.read import MOST_LINES, read_receipt
from kinbridge.receipt.render import render_html, render_json
from kinbridge.receipt.send import send_receipt
from kinbridge.warehouse.connection import transaction

RULES = {
    "member_id.presence": RuleText("member_id.presence", "KB-D06", ("MEMBER_ID",), "a value"),
    "ssn.placeholder": RuleText("ssn.placeholder", "KB-D07", ("SSN",)),
}


@pytest.fixture
def delivery_id(warehouse: Any) -> int:
    """A partly accepted delivery with three broken rules, one of them unknown to the declarations."""
    number = time.monotonic_ns()
    with transaction(warehouse.pipeline) as connection:
        new = NewDelivery(
            partner="medicaid",
            feed="medicaid/eligibility_v1",
            file_name=f"eligibility_{number}.txt",
            size_bytes=100,
            sha256=f"{number:064x}",
            remote_mtime=None,
            period=date(2026, 6, 1),
            as_of=date(2026, 6, 30),
            landed_path=None,
            contract_version="1.0.0",
            agreement_id="medicaid_2026",
            agreement_version="1",
        )
        found = deliveries.register(connection, new, "test").delivery_id
        with connection.cursor() as cursor:
            for rule, code, severity, scope, count in (
                ("ssn.placeholder", "KB-D07", "warning", "row", 50),
                ("member_id.presence", "KB-D06", "critical", "row", 4),
                ("dob.range", "KB-D08", "critical", "row", 9),
                ("zip.format", "KB-D09", "warning", "row", 0),
                ("file.bad_share", "KB-D10", "critical", "file", 1),
            ):
                cursor.execute(
                    "INSERT INTO ledger.rule_result (delivery_id, rule, code, column_name, severity, scope, found) "
                    "VALUES (%s, %s, %s, 'dob, as_of', %s, %s, %s)",
                    (found, rule, code, severity, scope, count),
                )
            cursor.executemany(
                "INSERT INTO ledger.finding VALUES (%s, %s, %s)",
                [(found, "member_id.presence", line) for line in (44, 12, 43, 99)],
            )
            cursor.execute(
                "INSERT INTO ledger.decision (delivery_id, outcome, decided_by, decided_at, reason) "
                "VALUES (%s, 'approved', 'steward@example.org', %s, 'Maria Garcia 900-12-3456 is fine')",
                (found, datetime(2026, 7, 2, tzinfo=UTC)),
            )
        accounts.write(connection, accounts.Account(found, 100, loaded=87, quarantined=13))
        for state in ("staged", "held", "approved", "partly_accepted"):
            deliveries.set_state(connection, found, state)
    return found


def read(warehouse: Any, delivery_id: int) -> Receipt:
    with transaction(warehouse.pipeline) as connection:
        return read_receipt(
            connection,
            delivery_id,
            RULES,
            partner_name="Medicaid",
            feed_title="Eligibility",
            contact="data@example.org",
            headers={"dob": "BIRTH DATE"},
        )


def listed(warehouse: Any, receipt: Receipt) -> bytes:
    with transaction(warehouse.pipeline) as connection:
        return findings_file(connection, receipt)


def test_a_receipt_tells_causes_by_weight_in_the_partners_terms(warehouse: Any, delivery_id: int) -> None:
    receipt = read(warehouse, delivery_id)
    assert [cause.rule for cause in receipt.causes] == [
        "file.bad_share",
        "dob.range",
        "member_id.presence",
        "ssn.placeholder",
    ]
    missing = receipt.causes[2]
    assert missing.columns == ("MEMBER_ID",)
    assert missing.title == "File arrived incomplete"
    assert missing.ranges == (LineRange(12, 12), LineRange(43, 44), LineRange(99, 99))
    assert missing.unlisted == 0
    assert receipt.causes[1].columns == ("BIRTH DATE", "as_of")  # not declared: the ledger's own name
    assert receipt.causes[1].unlisted == 9
    assert receipt.account is not None
    assert receipt.account.quarantined == 13
    assert receipt.state == State.PARTLY_ACCEPTED
    with pytest.raises(KinbridgeError, match="KB-D18"):
        read(warehouse, 10**9)


def test_what_was_met_is_said_of_rules_about_the_whole_file(warehouse: Any, delivery_id: int) -> None:
    with transaction(warehouse.pipeline) as connection:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO ledger.rule_result (delivery_id, rule, code, severity, scope, found) "
                "VALUES (%s, %s, %s, 'critical', 'file', 1)",
                [(delivery_id, "file.readable", "KB-F04"), (delivery_id, "file.drift", "KB-F07")],
            )
        unreadable = {"unreadable_line": 7, "unreadable_why": "the quoting is broken"}
        record_event(connection, delivery_id, "test", "staged", unreadable)
        drifted = {"changes": ["dob: unreadable 90%, before 1%", "zip: empty 100%, before 2%"]}
        record_event(connection, delivery_id, "test", "validated", drifted)
    receipt = read(warehouse, delivery_id)
    assert {cause.code: cause.seen for cause in receipt.causes if cause.seen} == {
        "KB-F04": "line 7: the quoting is broken",
        "KB-F07": "BIRTH DATE: unreadable 90%, before 1%; zip: empty 100%, before 2%",
    }
    assert b"line 7: the quoting is broken" in render_html(receipt)


def test_what_a_person_typed_does_not_leave(warehouse: Any, delivery_id: int) -> None:
    receipt = read(warehouse, delivery_id)
    assert receipt.decision is not None
    for form in (render_html(receipt), render_json(receipt)):
        for secret in (b"Garcia", b"900-12-3456", b"steward@"):
            assert secret not in form


def test_a_million_findings_read_as_fast_as_ten(warehouse: Any, delivery_id: int) -> None:
    warehouse.query(
        "SET LOCAL session_replication_role = replica; "  # a million checks of one foreign key would only take time
        "INSERT INTO ledger.finding SELECT %s, 'ssn.placeholder', 2 * line FROM generate_series(1, 1000000) AS line",
        (delivery_id,),
    )
    warehouse.query(
        "UPDATE ledger.rule_result SET found = 1000000 WHERE delivery_id = %s AND rule = 'ssn.placeholder'",
        (delivery_id,),
    )
    warehouse.query("ANALYZE ledger.finding")
    started = time.monotonic()
    receipt = read(warehouse, delivery_id)
    page = render_html(receipt)
    elapsed = time.monotonic() - started
    cause = receipt.causes[3]
    assert (len(cause.ranges), cause.unlisted) == (MOST_LINES, 1_000_000 - MOST_LINES)
    assert len(page) < 40_000
    assert elapsed < 1.0, f"{elapsed:.2f} s"


def test_the_findings_file_names_each_finding_once_the_weightiest_first(warehouse: Any, delivery_id: int) -> None:
    receipt = read(warehouse, delivery_id)
    rows = list(csv.reader(io.StringIO(listed(warehouse, receipt).decode("utf-8"), newline="")))
    assert rows == [
        ["line", "columns", "rule", "code", "severity", "what"],
        ["", "BIRTH DATE; as_of", "file.bad_share", "KB-D10", "critical", receipt.causes[0].title],
        *(
            [str(line), "MEMBER_ID", "member_id.presence", "KB-D06", "critical", "File arrived incomplete"]
            for line in (12, 43, 44, 99)
        ),
    ]


def test_no_cell_of_the_findings_file_is_a_formula(warehouse: Any, delivery_id: int) -> None:
    """A partner's heading may be anything, and the file is opened in a spreadsheet."""
    receipt = read(warehouse, delivery_id)
    for name in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", 'a"b,c;%s', "straße"):
        hostile = replace(receipt, causes=(replace(receipt.causes[2], columns=(name,)),))
        [_, *rows] = csv.reader(io.StringIO(listed(warehouse, hostile).decode("utf-8"), newline=""))
        assert len(rows) == 4
        assert {row[1] for row in rows} == {f"'{name}" if name[0] in "=+-@\t\r" else name}


def test_the_findings_file_has_an_end_and_says_so(warehouse: Any, delivery_id: int) -> None:
    warehouse.query(
        "INSERT INTO ledger.finding SELECT %s, 'ssn.placeholder', line FROM generate_series(1, 250000) AS line",
        (delivery_id,),
    )
    warehouse.query(
        "UPDATE ledger.rule_result SET found = 250000 WHERE delivery_id = %s AND rule = 'ssn.placeholder'",
        (delivery_id,),
    )
    receipt = read(warehouse, delivery_id)
    lines = listed(warehouse, receipt).count(b"\n") - 1
    assert lines == receipt.listed == MOST_LISTED
    # Of nine dob.range the fixture names no line: 250,000 + 4 + 9 + 1.
    assert json.loads(render_json(receipt))["findings_file"]["not_listed"] == 250_014 - MOST_LISTED
    assert "It ends after 100,000 findings" in render_html(receipt).decode()


def test_a_receipt_arrives_in_the_outbox_and_sending_it_again_changes_nothing(
    warehouse: Any, delivery_id: int, sftp_server: Any
) -> None:
    endpoint = SftpEndpoint(
        partner="medicaid",
        host=sftp_server.host,
        port=sftp_server.port,
        user="medicaid",
        host_key=sftp_server.host_key,
        key_file=sftp_server.keys["medicaid"],
    )
    receipt = read(warehouse, delivery_id)
    outbox: Path = sftp_server.jail("medicaid") / "outbox"
    findings = listed(warehouse, receipt)
    sent = [send_receipt(endpoint, receipt, findings) for _ in range(2)]
    name = f"{receipt.file_name}.d{delivery_id}.receipt"
    assert set(sent) == {(f"outbox/{name}.html", f"outbox/{name}.json", f"outbox/{name}.csv")}
    files = {path.name: path.read_bytes() for path in outbox.iterdir() if path.name.startswith(receipt.file_name)}
    assert files == {
        f"{name}.html": render_html(receipt),
        f"{name}.json": render_json(receipt),
        f"{name}.csv": findings,
    }
    assert json.loads(files[f"{name}.json"])["findings_file"]["name"] == f"{name}.csv"
    assert json.loads(files[f"{name}.json"])["delivery"]["delivery_id"] == delivery_id
