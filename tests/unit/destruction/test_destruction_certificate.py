"""The certificate's contents, without a database."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime

from pypdf import PdfReader

from kinbridge.destruction.batch import Batch, Item, Standing
from kinbridge.destruction.certificate import KINDS, METHODS, Contents, render
from kinbridge.destruction.search import Proof
from kinbridge.retention.term import Kind

MOMENT = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
BATCH = Batch(
    7,
    "agreement ended",
    "atlas",
    "atlas/people_v1",
    None,
    date(2026, 11, 1),
    date(2026, 12, 1),
    "govern",
    MOMENT,
    Standing.DESTROYED,
    "A <Steward> & Co",
    MOMENT,
    None,
    None,
    tuple(Item(kind, MOMENT, f"clause of {kind.value}", 3, None) for kind in Kind),
)
CONTENTS = Contents(
    "Data desk",
    "The atlas office",
    BATCH,
    {kind.value: 1000 + number for number, kind in enumerate(Kind)},
    Proof(50, 77, 622, 139, 3, 80, 0, ()),
    (("The ledger", "Counts stay."), ("Release early_sites", "With the university, who has not confirmed.")),
    MOMENT,
    "the pipeline",
    rebuilt=True,
)


def _words(content: bytes) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages))


def test_a_certificate_says_what_when_how_by_which_clause_by_whom_and_what_remains() -> None:
    said = _words(render(CONTENTS))
    wanted = [
        "no. 7",
        "The atlas office",
        "atlas/people_v1",
        "2026-11-23 10:30 UTC",
        "A <Steward> & Co",
        "the pipeline",
    ]
    wanted += ["77 tables with 622 columns and 139 rows", "Found 0 times", "Counts stay.", "who has not confirmed."]
    wanted += [f"{1000 + number:,}" for number in range(len(Kind))] + [f"clause of {kind.value}" for kind in Kind]
    assert [text for text in wanted if text not in said] == []


def test_the_same_contents_give_the_same_bytes() -> None:
    assert render(CONTENTS) == render(CONTENTS)
    assert render(CONTENTS) != render(replace(CONTENTS, carried_out_by="somebody else"))


def test_a_proof_without_probes_says_so() -> None:
    assert "no value:" in _words(render(replace(CONTENTS, proof=replace(CONTENTS.proof, probes=0))))


def test_every_kind_has_its_words() -> None:
    assert set(KINDS) == set(METHODS) == {kind.value for kind in Kind}
