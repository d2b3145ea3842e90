"""`docs/errors.md`: every code that Kinbridge shows to a person, from the catalogue. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from kinbridge.errors import CatalogueEntry

# The letter of a code: where it comes from, and who acts on it.
FAMILIES = {
    "A": ("Agreements", "Nothing allows the feed to be read. A steward acts; trying again changes nothing."),
    "B": ("Measurements", "A bench that a person runs; no feed is concerned."),
    "C": (
        "Declarations",
        "A file below `include/` has a mistake. Whoever changed it acts; `kinbridge check` shows all.",
    ),
    "D": ("Deliveries", "Something between us and the partner's server. The next run tries again by itself."),
    "E": ("Expected deliveries", "The calendar, pauses of partners, and mails. No delivery is lost by any of them."),
    "F": (
        "Files",
        "What is wrong with a whole file. Codes from F90 on stop the run: two counts that must agree do not.",
    ),
    "G": (
        "Charter and decisions",
        "Who may decide, and how it went. Nothing counts as decided that the charter does not bear out.",
    ),
    "H": ("Manifests and OpenPGP", "A delivery that is not whole, or not signed as agreed. Nothing of it is loaded."),
    "I": ("Incidents", "What was affected and whom to tell. A person acts, within the deadlines that are named."),
    "J": (
        "Laws",
        "Laws as data, and the strictest rule. Counsel or a steward mends the file; nothing goes on without it.",
    ),
    "K": ("Linkage", "The model that decides which records are one person."),
    "L": ("Load", "The feed's `transform.sql`, or a hold that nobody has decided."),
    "M": ("Figures", "Building and publishing the mart. Nothing half-built is published."),
    "N": ("Consent", "Forms, and what people granted or took back. Whatever is not known to be granted is withheld."),
    "P": ("Preflight and drafts", "Commands that a person runs beside the pipeline; no delivery is concerned."),
    "Q": ("Quarantine", "A replay or a look at rows that were set aside, or a hold that offers one answer only."),
    "R": ("Rows", "What is wrong with a row. Partners see these in their receipts."),
    "S": ("Services", "Postgres, the SFTP server, Airflow, and secrets."),
    "T": ("Releases and traces", "Nothing leaves, or nothing is told. What is refused names the clause."),
    "U": ("Retention and destruction", "What is due, what was destroyed, and what remains. A person approves."),
    "X": ("Unexpected", "Everything else. The text of the failure is withheld, since it can quote data."),
}

HEAD = """\
# Errors and findings

Written by `kinbridge docs` from [include/catalogue.yaml](../include/catalogue.yaml); change it there. A message names
places, rules and counts, never a value from a partner's data. Words in braces are filled in.
"""


def errors_page(entries: Iterable[CatalogueEntry]) -> str:
    """The page: one section for each letter, one entry for each code, in order."""
    parts = [HEAD]
    ordered = sorted(entries, key=lambda entry: entry.code)
    for letter, group in groupby(ordered, key=lambda entry: entry.code[3]):
        title, about = FAMILIES[letter]
        parts.append(f"## {letter}: {title}\n\n{about}\n")
        parts.extend(_entry(entry) for entry in group)
    return "\n".join(parts)


def _entry(entry: CatalogueEntry) -> str:
    return f"### {entry.code}: {entry.title}\n\n> {entry.message}\n\n{entry.meaning}\n\n**Next:** {entry.remedy}\n"
