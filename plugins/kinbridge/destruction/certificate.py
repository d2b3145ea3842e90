"""The certificate of destruction, as PDF: what, when, how, by which clause, by whom, the proof, what remains and why.

Pure: words and figures in, bytes out. It holds names, clauses, days and counts, and no value of a person. The same
contents give the same bytes, so that the SHA-256 in the ledger can be checked.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import LETTER
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import inch
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from kinbridge.destruction.batch import Batch
from kinbridge.destruction.search import Proof

KINDS = {
    "record": "Records, with their history",
    "quarantine": "Refused rows",
    "identity": "Links between records and persons",
    "file": "Landed files",
    "staged": "Staged tables",
    "receipt": "Receipts with lists of lines",
    "backup": "Keys of backups",
    "release": "Releases",
}
METHODS = {
    "record": "rows deleted, tables written anew",
    "quarantine": "rows deleted, tables written anew",
    "identity": "rows deleted, tables written anew",
    "file": "files removed",
    "staged": "tables dropped",
    "receipt": "files removed from the partner's outbox",
    "backup": "keys overwritten and removed; what they had encrypted stays unreadable",
    "release": "recipients told to destroy",
}


@dataclass(frozen=True)
class Contents:
    """Everything that a certificate says. `counts` are things destroyed by kind; `remains` what is left, and why."""

    office: str
    partner_name: str
    batch: Batch
    counts: Mapping[str, int]
    proof: Proof
    remains: tuple[tuple[str, str], ...]
    issued_at: datetime
    carried_out_by: str
    rebuilt: bool


def render(contents: Contents) -> bytes:
    """The PDF."""
    buffer = io.BytesIO()
    batch = contents.batch
    document = SimpleDocTemplate(
        buffer,
        pagesize=LETTER,
        title=f"Certificate of destruction {batch.destruction_id}",
        author=contents.office,
        leftMargin=inch,
        rightMargin=inch,
        topMargin=0.8 * inch,
        bottomMargin=0.8 * inch,
        invariant=1,
    )
    small = ParagraphStyle("small", parent=getSampleStyleSheet()["BodyText"], fontSize=9, leading=11.5)
    story: list[Any] = []
    for heading, rows in _sections(contents):
        style = getSampleStyleSheet()["Title" if not story else "Heading3"]
        story.append(Paragraph(escape(heading), style))
        if rows:
            cells = [[Paragraph(escape(cell), small) for cell in row] for row in rows]
            widths = {2: (1.6, 4.9), 4: (1.6, 0.8, 1.8, 2.3)}[len(rows[0])]
            table = Table(cells, colWidths=[width * inch for width in widths])
            table.setStyle(
                TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEBELOW", (0, 0), (-1, -1), 0.25, "#999999")])
            )
            story.append(table)
        story.append(Spacer(1, 6))
    document.build(story, canvasmaker=_Numbered)
    return buffer.getvalue()


def _sections(contents: Contents) -> list[tuple[str, list[tuple[str, ...]]]]:
    batch, proof = contents.batch, contents.proof
    items = [
        (KINDS[item.kind.value], f"{contents.counts.get(item.kind.value, 0):,}", METHODS[item.kind.value], item.clause)
        for item in batch.items
    ]
    made = [("Rebuilt", "Integrated tables and published figures were made anew without what was destroyed.")]
    return [
        (f"Certificate of destruction no. {batch.destruction_id}", []),
        (
            "What",
            [
                ("Data of", contents.partner_name),
                ("Feed" if batch.feed else "Request", batch.about),
                ("Cause", batch.cause),
                ("Due since", batch.due_since.isoformat()),
                ("To be done by", batch.deadline.isoformat()),
            ],
        ),
        ("How many, how, and under which clause", [("Kind", "Destroyed", "Method", "Clause"), *items]),
        (
            "Who and when",
            [
                ("Proposed", f"by {batch.proposed_by}, {_moment(batch.proposed_at)}"),
                ("Approved", f"by {batch.decided_by}, {_moment(batch.decided_at)}"),
                ("Carried out", f"by {contents.carried_out_by}, ended {_moment(contents.issued_at)}"),
                *(made if contents.rebuilt else []),
            ],
        ),
        (
            "Proof",
            [
                ("Searched for", _probes(proof)),
                ("Searched", f"{proof.tables:,} tables with {proof.columns:,} columns and {proof.rows:,} rows"),
                ("And", f"{proof.files:,} files with {proof.bytes:,} bytes"),
                ("Found", f"{proof.hits:,} times"),
            ],
        ),
        ("What remains, and why", [*contents.remains]),
        ("Issued by", [("Office", contents.office), ("Day", _moment(contents.issued_at))]),
    ]


def _probes(proof: Proof) -> str:
    if proof.probes == 0:
        return "no value: every value in the destroyed rows stands in other rows too, or there were none"
    return f"{proof.probes:,} values, drawn by chance, that only the destroyed rows held"


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}" if moment else "-"


class _Numbered(Canvas):  # type: ignore[misc]
    """A canvas that numbers its pages."""

    def showPage(self) -> None:
        """Number the page, and begin the next."""
        self.setFont("Helvetica", 8)
        self.drawRightString(LETTER[0] - inch, 0.5 * inch, f"page {self.getPageNumber()}")
        super().showPage()
