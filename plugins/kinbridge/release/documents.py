"""What goes with the file of a release: the codebook (CSV and HTML) and the manifest. Pure.

They say what the columns mean, what is agreed, how many persons and rows there are, and how many were withheld; a
number of withheld persons below the smallest group is not told as a number.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from kinbridge.receipt.findings_file import safe
from kinbridge.release.forms import WITHHELD
from kinbridge.release.gate import Clearance
from kinbridge.release.groups import Kept
from kinbridge.release.model import ExtractColumn
from kinbridge.standards import code_set

CODE_COLUMN = "code"


@dataclass(frozen=True)
class Part:
    """One file of a release: its name, its clear bytes, and the bytes as sent."""

    name: str
    clear: bytes
    sealed: bytes

    @property
    def sealed_name(self) -> str:
        """The name in the outbox."""
        return f"{self.name}.pgp"

    @property
    def sha256(self) -> str:
        """Of the bytes as sent, in hexadecimal."""
        return hashlib.sha256(self.sealed).hexdigest()


@dataclass(frozen=True)
class Figures:
    """What the manifest tells of the file: kept and withheld persons, and the days of which the records speak."""

    kept: Kept
    first_day: date | None
    last_day: date | None


def stem(clearance: Clearance, release_id: int) -> str:
    """The beginning of the names of all files of a release."""
    return f"{clearance.extract.name}_{clearance.extract.version}_r{release_id}"


def withheld_in_words(withheld: int, minimum: int) -> str:
    """How many persons of small groups were withheld; a small number is not told."""
    return str(withheld) if withheld == 0 or withheld >= minimum else f"fewer than {minimum}"


def share_withheld(kept: Kept, minimum: int) -> str:
    """Withheld persons as a share of all, in whole percent, rounded up; not told where their number is not."""
    total = kept.persons + kept.withheld
    if 0 < kept.withheld < minimum:
        return f"less than {-(-100 * minimum // max(total, 1))} %"
    return f"{-(-100 * kept.withheld // max(total, 1))} %"


def codebook_csv(clearance: Clearance) -> bytes:
    """One line for each column, and one for each of its codes, as CSV in UTF-8."""
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(("column", "value", "label", "meaning", "made_of", "form"))
    out.writerow((CODE_COLUMN, "", "Code of the person", _code_text(clearance), "", "random"))
    for column in clearance.extract.columns:
        made_of = "; ".join(column.elements)
        out.writerow([safe(c) for c in (column.name, "", column.label, column.text, made_of, str(column.form))])
        for value, words in values_of(column):
            out.writerow([safe(cell) for cell in (column.name, value, words, "", "", "")])
    return text.getvalue().encode("utf-8")


def codebook_html(clearance: Clearance, figures: Figures) -> bytes:
    """The same as a page to read and print, with what is agreed at its head."""
    extract, permit = clearance.extract, clearance.permit
    minimum = clearance.minimum_group
    facts = (
        ("Recipient", clearance.recipient.name),
        ("Use case", f"{permit.use_case.id}: {permit.use_case.question}"),
        ("Purpose", extract.purpose),
        ("Agreement", permit.agreement.name),
        ("To be destroyed by", clearance.expires.isoformat()),
        ("Persons, rows", f"{figures.kept.persons:,}, {figures.kept.rows:,}"),
        (
            "Smallest group",
            f"{minimum} persons share every combination of {', '.join(extract.quasi_identifiers) or 'columns'}",
        ),
        (
            "Withheld for small groups",
            f"{withheld_in_words(figures.kept.withheld, minimum)} persons ({share_withheld(figures.kept, minimum)})",
        ),
    )
    head = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in facts)
    rows = [
        f"<tr><td><code>{CODE_COLUMN}</code></td><td>Code of the person</td><td>random</td>"
        f"<td>{html.escape(_code_text(clearance))}</td></tr>"
    ]
    for column in extract.columns:
        listed = "".join(f"<br><code>{html.escape(v)}</code> {html.escape(words)}" for v, words in values_of(column))
        rows.append(
            f"<tr><td><code>{html.escape(column.name)}</code></td><td>{html.escape(column.label)}</td>"
            f"<td>{html.escape(str(column.form))}</td><td>{html.escape(column.text)}{listed}</td></tr>"
        )
    return _PAGE.format(
        title=html.escape(f"{extract.title}, {extract.version}"), head=head, rows="\n".join(rows)
    ).encode("utf-8")


def manifest_json(clearance: Clearance, release_id: int, figures: Figures, parts: Iterable[Part], day: date) -> bytes:
    """What the release consists of, as JSON; names, sizes and SHA-256 of each file, clear and as sent."""
    extract, permit, minimum = clearance.extract, clearance.permit, clearance.minimum_group
    content = {
        "release": release_id,
        "name": extract.name,
        "version": extract.version,
        "title": extract.title,
        "recipient": extract.recipient,
        "use_case": extract.use_case,
        "purpose": extract.purpose,
        "agreement": {"id": permit.agreement.id, "version": permit.agreement.version},
        "made_on": day.isoformat(),
        "expires_on": clearance.expires.isoformat(),
        "period": {
            "from": figures.first_day.isoformat() if figures.first_day else None,
            "to": figures.last_day.isoformat() if figures.last_day else None,
        },
        "persons": figures.kept.persons,
        "rows": figures.kept.rows,
        "small_groups": {
            "minimum": minimum,
            "quasi_identifiers": list(extract.quasi_identifiers),
            "withheld_persons": withheld_in_words(figures.kept.withheld, minimum),
            "share_withheld": share_withheld(figures.kept, minimum),
        },
        "notices": sorted(clearance.rule.notice),
        "files": [_file(part) for part in parts],
    }
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def _file(part: Part) -> Mapping[str, object]:
    return {
        "name": part.name,
        "size_bytes": len(part.clear),
        "sha256": hashlib.sha256(part.clear).hexdigest(),
        "sent_as": {"name": part.sealed_name, "size_bytes": len(part.sealed), "sha256": part.sha256},
    }


def values_of(column: ExtractColumn) -> list[tuple[str, str]]:
    """The codes of a column in words: those of its code set, of its groups, and its own."""
    found: dict[str, str] = {}
    if column.code_set is not None:
        with code_set(column.code_set).path.open(encoding="utf-8", newline="") as text:
            found.update((row["code"], row["label"]) for row in csv.DictReader(text))
    for label in column.form.labels() if column.form.groups else ():
        found[label] = label.replace("-", " to ")
    found.update(column.values)
    if column.form.groups or column.form.name in ("year", "quarter", "month"):
        found.setdefault(WITHHELD, "Withheld: outside the groups that may be told")
    return list(found.items())


def _code_text(clearance: Clearance) -> str:
    kept = (
        "the same in every release of this use case to you"
        if clearance.extract.codes == "stable_for_recipient"
        else ("made for this release alone, and not to be linked with another")
    )
    return f"A random code, {kept}. It is derived from nothing that is known of the person."


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; width: 100%; }}
th, td {{ border: 1px solid #999; padding: .3rem .6rem; text-align: left; vertical-align: top; }}
</style>
</head>
<body>
<h1>{title}</h1>
<table>{head}</table>
<h2>Columns</h2>
<table><tr><th>Column</th><th>Label</th><th>Form</th><th>Meaning and values</th></tr>
{rows}
</table>
</body>
</html>
"""
