"""What a look at a quarantined row shows: no more than what is wrong, and nothing that steers a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.cli.printable import printable
from kinbridge.contract.model import Column, Dialect, Feed
from kinbridge.quarantine.look import _shown

ALL = frozenset({"visit_id", "made", "left", "zip", "note"})


def column(name: str, kind: str = "string", **more: object) -> Column:
    return Column(name, name.upper(), kind, "A column.", "internal", **more)  # type: ignore[arg-type]


FEED = Feed(
    id="atlas/visits_v1",
    version="1.0.0",
    title="Visits",
    path=Path("contract.odcs.yaml"),
    columns=(
        column("visit_id", required=True, key_position=1),
        column("made", "date", date_format="yyyy-MM-dd"),
        column("left", "date", date_format="yyyy-MM-dd"),
        column("zip", pattern="^[0-9]{5}$"),
        column("note"),
    ),
    dialect=Dialect(file_pattern="^visits$"),
    max_bad_row_share=0.1,
    schedule=None,
    date_orders=(("made", "left"),),
)


@pytest.mark.parametrize(
    ("rules", "allowed", "shown"),
    [
        (("zip.format",), ALL, ["visit_id", "zip"]),
        (("made__left.date_order",), ALL, ["visit_id", "made", "left"]),
        (("made.type", "zip.format"), ALL, ["visit_id", "made", "zip"]),
        (("zip.format",), ALL - {"zip"}, ["visit_id"]),
        # No rule names a column: the shape is broken, no statement took it, or a person refused the file.
        (("row.shape",), ALL, ["visit_id", "made", "left", "zip", "note"]),
        ((), ALL - {"note"}, ["visit_id", "made", "left", "zip"]),
        # A rule that the contract had once.
        (("note.code_set",), ALL, ["visit_id", "made", "left", "zip", "note"]),
    ],
)
def test_the_columns_of_the_broken_rules_and_the_key_are_shown_as_far_as_they_are_allowed(
    rules: tuple[str, ...], allowed: frozenset[str], shown: list[str]
) -> None:
    assert _shown(FEED, allowed, rules) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("Zoë O'Hara", "Zoë O'Hara"), ("\x1b[2J", "\\x1b[2J"), ("a\nb\t", "a\\x0ab\\x09"), ("\u202e", "\\x202e")],
)
def test_a_value_is_one_line_and_steers_no_terminal(value: str, shown: str) -> None:
    assert printable(value) == shown
