"""What people complete before a new feed may run: the partner's profile, and an agreement that nobody has signed.

Texts with marks where a person has to decide, and the one way in which drafted files are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

from kinbridge.agreement.reader import Declared
from kinbridge.check.decisions import MARK, open_decisions
from kinbridge.declaration.document import Problem
from kinbridge.draft.contract import scalar


@dataclass(frozen=True)
class Written:
    """The files that were written, in order, and the decisions they leave open."""

    files: tuple[Path, ...]
    decisions: tuple[Problem, ...]


def write_all(texts: Mapping[Path, str]) -> Written:
    """Write the texts, whose places are free, with the folders that they need."""
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Written(tuple(texts), tuple(chain.from_iterable(map(open_decisions, texts))))


def profile_text(partner: str, role: str) -> str:
    """A partner's profile with everything still to be told; `role` is of the person who answers questions."""
    return f"""\
# A draft. Who to speak with at this partner.
partner: {scalar(partner)}
name: Not written yet # {MARK} the partner's full name
contacts:
  - role: {role}
    name: Not written yet # {MARK} who answers questions about the file
    email: nobody@example.org # {MARK} that person's address
"""


def agreement_text(*, slug: str, about: str, partner: str, feeds: str, declared: Declared, today: date) -> str:
    """An agreement that nobody has signed: the gate stays shut until the signatures stand in it.

    `slug` is its id without `dsa-`, `about` what its title names, `feeds` the lines below `feeds:`, each with its end.
    """
    known = next((agreement.recipient for agreement, _ in declared.agreements), None)
    code, name = (known.code, known.name) if known else ("data_office", "Not written yet")
    approved = [use_case.id for use_case, _ in declared.use_cases if use_case.status == "approved"] or [
        "not_chosen_yet"
    ]
    effective = date(today.year + today.month // 12, today.month % 12 + 1, 1)
    return f"""\
# A draft for the people who negotiate the agreement. Until it is signed, the feed is refused.
id: dsa-{slug.replace("_", "-")}
version: 1.0.0
title: Data use agreement for {about} # {MARK} the title
kind: data_use_agreement
parties:
  contributor: {{ code: {scalar(partner)}, name: Not written yet }} # {MARK} the partner's name
  recipient: {{ code: {code}, name: {scalar(name)} }}
use_cases: [{", ".join(approved)}] # {MARK} which of the approved use cases
feeds:
{feeds}legal_basis:
  - citation: Not written yet # {MARK} the law that allows it
    what: Not written yet
effective: {effective.isoformat()} # {MARK} the first day
expires: {effective.replace(year=effective.year + 3).isoformat()} # {MARK} the last day
signatures:
  # {MARK} who signs for each party; `signed` stays empty until the day
  - {{ party: {scalar(partner)}, name: Not written yet, title: Not written yet, authority: Not written yet, signed: }}
  - {{ party: {code}, name: Not written yet, title: Not written yet, authority: Not written yet, signed: }}
transmission: {{ channel: sftp }}
retention: {{ files_days: 30, records_months: 60 }} # {MARK} how long files and records are kept
destruction: {{ within_days: 30, method: Files are deleted and rows removed. }}
redisclosure: None without the written permission of the partner.
breach: {{ contact: Not written yet, email: nobody@example.org, within_hours: 24 }} # {MARK} whom to tell
consent: {{ rule: not_required }} # {MARK} whether consent is needed
small_cells: {{ minimum: 11 }}
"""
