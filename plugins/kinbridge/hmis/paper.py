"""What people fill in and read: the profile, the agreement and the READMEs of an HMIS export. Pure."""

from __future__ import annotations

from datetime import date

from kinbridge.agreement.reader import Declared
from kinbridge.check.decisions import MARK
from kinbridge.hmis.contract import Export
from kinbridge.hmis.names import snake
from kinbridge.hmis.structure import key_of, references_of
from kinbridge.hmis.transform import targets


def profile_text(partner: str) -> str:
    """A partner's profile with everything still to be told."""
    return f"""\
# Who to speak with about the HMIS export.
partner: {partner}
name: Not written yet # {MARK} the partner's full name
contacts:
  - role: HMIS lead
    name: Not written yet # {MARK} who answers questions about the export
    email: nobody@example.org # {MARK} that person's address
"""


def readme_text(export: Export, file: str) -> str:
    """What there is to know about one feed."""
    references = ", ".join(theirs for _, theirs in references_of(export.columns(file), export.files)) or "none"
    key = key_of(export.columns(file)).name
    lines = [
        f"# {export.feed(file)}",
        "",
        f"`{file}.csv` of an HMIS CSV {export.version} export, taken from the zip. Key: `{key}`.",
        f"Refers to: {references}. Goes to: {', '.join(targets(file))}.",
        "",
        "## Quirks",
        "",
        "- A row with a `DateDeleted` deletes its key.",
        "- A mistake in a key, a reference or the row's day sets the row aside; elsewhere the value is left empty.",
    ]
    if file == "Export":
        lines.remove("- A row with a `DateDeleted` deletes its key.")
    return "\n".join(lines) + "\n"


def agreement_text(export: Export, wanted: list[str], declared: Declared, today: date) -> str:
    """An agreement over all columns of the `wanted` files that nobody has signed: the gate stays shut until it is."""
    known = next((agreement.recipient for agreement, _ in declared.agreements), None)
    code, name = (known.code, known.name) if known else ("data_office", "Not written yet")
    approved = [use_case.id for use_case, _ in declared.use_cases if use_case.status == "approved"] or [
        "not_chosen_yet"
    ]
    feeds = "\n".join(_elements(export, file) for file in wanted)
    effective = date(today.year + today.month // 12, today.month % 12 + 1, 1)
    return f"""\
# For the people who negotiate the agreement. Until it is signed, the feeds are refused.
id: dsa-{export.partner.replace("_", "-")}-hmis-{export.version.lower()}
version: 1.0.0
title: Data use agreement for the HMIS export of {export.partner} # {MARK} the title
kind: data_use_agreement
parties:
  contributor: {{ code: {export.partner}, name: Not written yet }} # {MARK} the partner's name
  recipient: {{ code: {code}, name: {name} }}
use_cases: [{", ".join(approved)}] # {MARK} which of the approved use cases
# {MARK} which columns are needed for the use cases; a column that is not listed is never read
feeds:
{feeds}
legal_basis:
  - citation: Not written yet # {MARK} the law that allows it
    what: Not written yet
effective: {effective.isoformat()} # {MARK} the first day
expires: {effective.replace(year=effective.year + 3).isoformat()} # {MARK} the last day
signatures:
  # {MARK} who signs for each party; `signed` stays empty until the day
  - {{ party: {export.partner}, name: Not written yet, title: Not written yet, authority: Not written yet, signed: }}
  - {{ party: {code}, name: Not written yet, title: Not written yet, authority: Not written yet, signed: }}
transmission: {{ channel: sftp }}
retention: {{ files_days: 30, records_months: 60 }} # {MARK} how long files and records are kept
destruction: {{ within_days: 30, method: Files are deleted and rows removed. }}
redisclosure: None without the written permission of the partner.
breach: {{ contact: Not written yet, email: nobody@example.org, within_hours: 24 }} # {MARK} whom to tell
consent: {{ rule: not_required }} # {MARK} whether consent is needed
small_cells: {{ minimum: 11 }}
"""


def _elements(export: Export, file: str) -> str:
    names = "".join(f"      - {snake(column.name)}\n" for column in export.columns(file))
    return f"  {export.feed(file)}:\n    elements:\n{names}".rstrip()
