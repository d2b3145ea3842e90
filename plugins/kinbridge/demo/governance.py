"""What the demo has besides files: an agreement about to end, its renewal that waits for ballots, a consent taken back
and one that was limited.

The days of agreements are relative to today, so this one agreement is declared when the demo starts, in an include
folder of the demo's own: an amendment of SNAP's agreement that is in force for three weeks more, with the decision that
approved it, and the renewal that nobody has signed yet.
"""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from kinbridge.agreement.reader import read_agreements, read_use_cases
from kinbridge.consent.form import read_forms
from kinbridge.consent.statement import Statement, Words, record_statement
from kinbridge.decision.model import Proposal
from kinbridge.decision.proposal import propose
from kinbridge.governance.digest import digest_of_declaration
from kinbridge.settings import include_folders, state_folder
from kinbridge.standards import code_set
from kinbridge.warehouse.connection import Dsn, transaction

AGREEMENT, PARTNER = "dsa-snap", "snap"
SOURCE = "snap.yaml"
PAPER = "2024_12_dsa_snap_1_0_0.yaml"
ENDING, RENEWAL = "1.1.0", "1.2.0"
# The amendment began long ago, and ends within the month of which people are warned.
BEGAN, LEFT, MORE = timedelta(days=340), timedelta(days=21), timedelta(days=1095)
STEWARD = "wetherby"
PROGRAM, FORM, LIMITED = "home_visiting", "hv-consent-2024/1", "who_and_where"


def declare(today: date) -> Path:
    """Write the demo's declarations, unless they are there and still in force, and have this process read them.

    Returns the folder, which `KINBRIDGE_INCLUDE` names from now on.
    """
    folder = state_folder() / "include"
    ending = folder / "agreements" / f"snap_{ENDING}.yaml"
    if not ending.is_file() or yaml.safe_load(ending.read_text(encoding="utf-8"))["expires"] < today:
        _write(folder, today)
    others = [
        path for path in os.environ.get("KINBRIDGE_INCLUDE", "").split(os.pathsep) if path not in {"", str(folder)}
    ]
    os.environ["KINBRIDGE_INCLUDE"] = os.pathsep.join([str(folder), *others])
    return folder


def propose_renewal(pipeline: Dsn) -> int:
    """Put the renewal into the register; the members are asked in Airflow. Returns the number of the proposal."""
    renewal = next(one for one in read_agreements() if (one.id, one.version) == (AGREEMENT, RENEWAL))
    proposal = Proposal(
        kind="agreement",
        subject=AGREEMENT,
        version=RENEWAL,
        digest=renewal.digest,
        title=f"Renewal of {renewal.title}",
        reasons="The agreement in force ends within the month, and with it the feed and what is counted from it.",
        proposed_by=STEWARD,
        partners=(PARTNER,),
        options=("Renew for three years", "Let it end"),
    )
    with transaction(pipeline) as connection:
        return propose(connection, proposal)


def refuse_consent(steward: Dsn, simulated: Path, today: date) -> bool:
    """Record that one family took back its consent to home visiting's records, and that another excepted the question
    who the children are and where they live; False if it was done before.

    The children are the first two of home visiting's first file, so they are the same in every demo of these families.
    """
    revoking, limiting = _children(min((simulated / "home_visiting").glob("*enrollments*")))
    words = Words({one.id for one in read_use_cases()}, code_set("program").codes, read_forms())
    said = (
        Statement(PROGRAM, revoking, "revoked", today, "Letter to the program's privacy desk, filed there (fictional)"),
        Statement(
            PROGRAM, limiting, "limited", today, "Note of the home visitor, filed there (fictional)", use_case=LIMITED
        ),
    )
    with transaction(steward) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM identity.consent_statement WHERE partner = %s AND source_person_id = %s", (PROGRAM, revoking)
        )
        if cursor.fetchone():
            return False
        for statement in said:
            record_statement(connection, replace(statement, form=FORM), words, "demo", unlinked_too=True)
    return True


def _children(file: Path) -> tuple[str, str]:
    """The first two children of a file, by the partner's own ids."""
    with file.open(encoding="utf-8-sig", newline="") as text:
        first, second, *_ = dict.fromkeys(row["child_id"] for row in csv.DictReader(text))
    return first, second


def _write(folder: Path, today: date) -> None:
    include = include_folders()[0]
    now = _read(include / "agreements" / SOURCE)
    (folder / "agreements").mkdir(parents=True, exist_ok=True)
    (folder / "governance" / "decisions").mkdir(parents=True, exist_ok=True)
    began = today - BEGAN
    ending = folder / "agreements" / f"snap_{ENDING}.yaml"
    _dump(
        ending, _version(now, ENDING, now["version"], first=began, last=today + LEFT, signed=began - timedelta(days=14))
    )
    renewed = _version(
        now, RENEWAL, ENDING, first=today + LEFT + timedelta(days=1), last=today + LEFT + MORE, signed=None
    )
    _dump(folder / "agreements" / f"snap_{RENEWAL}.yaml", renewed)
    paper = _read(include / "governance" / "decisions" / PAPER)
    decided = began - timedelta(days=21)
    paper |= {
        "id": f"demo-{AGREEMENT}-{ENDING}",
        "version": ENDING,
        "digest": digest_of_declaration(ending),
        "title": "Amendment of the SNAP agreement, for one year",
        "proposed_on": decided - timedelta(days=14),
        "decided_on": decided,
        "effective": decided,
        "evidence": "Minutes of the steering group (fictional)",
    }
    _dump(folder / "governance" / "decisions" / f"dsa_snap_{ENDING}.yaml", paper)


def _version(
    agreement: dict[str, Any], version: str, amends: str, *, first: date, last: date, signed: date | None
) -> dict[str, Any]:
    signatures = [{**one, "signed": signed} for one in agreement["signatures"]]
    dates = {"effective": first, "expires": last}
    return {**agreement, "version": version, "amends": amends, **dates, "signatures": signatures}


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _dump(path: Path, data: dict[str, Any]) -> None:
    day = datetime.now(UTC).date()
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    path.write_text(f"# Fictional. Written by the demo on {day}, since its days are relative to it.\n{text}", "utf-8")
