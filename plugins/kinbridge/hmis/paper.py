"""What people fill in and read: the agreement and the READMEs of an HMIS export. Pure."""

from __future__ import annotations

from datetime import date

from kinbridge.agreement.reader import Declared
from kinbridge.check.decisions import MARK
from kinbridge.draft.unsigned import agreement_text
from kinbridge.hmis.contract import Export
from kinbridge.hmis.names import snake
from kinbridge.hmis.structure import key_of, references_of
from kinbridge.hmis.transform import targets


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


def unsigned_agreement(export: Export, wanted: list[str], declared: Declared, today: date) -> str:
    """An agreement over all columns of the `wanted` files."""
    mark = f"  # {MARK} which columns are needed for the use cases; a column that is not listed is never read\n"
    return agreement_text(
        slug=f"{export.partner}-hmis-{export.version.lower()}",
        about=f"the HMIS export of {export.partner}",
        partner=export.partner,
        feeds=mark + "".join(_elements(export, file) for file in wanted),
        declared=declared,
        today=today,
    )


def _elements(export: Export, file: str) -> str:
    names = "".join(f"      - {snake(column.name)}\n" for column in export.columns(file))
    return f"  {export.feed(file)}:\n    elements:\n{names}"
