"""The digest of a declaration: what counts in it, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.decision.approvals import digest_of_declaration
from kinbridge.decision.standard import digest_of_standard

TEXT = "id: a\ndays: 30\nday: 2026-01-31\nlist: [x, y]\nsignatures: []\nstatus: proposed\n"


def digest(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return digest_of_declaration(path)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (
            "# X\nstatus: approved\nsignatures: [{a: b}]\nlist:\n  - x\n  - y\nday: 2026-01-31\ndays: 30\nid: a\n",
            True,
        ),
        (TEXT.replace("30", "'30'"), False),
        (TEXT.replace("30", "31"), False),
        (TEXT.replace("2026-01-31", "'2026-01-31'"), False),
        (TEXT.replace("[x, y]", "[y, x]"), False),
        (TEXT.replace("[x, y]", "[{x: y}]"), False),
        (TEXT + "more: null\n", False),
    ],
)
def test_layout_signatures_and_status_do_not_count_and_everything_else_does(
    tmp_path: Path, text: str, same: bool
) -> None:
    path = tmp_path / "a.yaml"
    assert (digest(path, TEXT) == digest(path, text)) is same


def test_every_byte_of_the_standard_counts_but_line_ends(tmp_path: Path) -> None:
    (tmp_path / "code_sets" / "more").mkdir(parents=True)
    schema, codes = tmp_path / "common_schema.csv", tmp_path / "code_sets" / "more" / "sex.csv"
    schema.write_bytes(b"entity\nperson\n")
    codes.write_bytes(b"code\nMale\n")
    first = digest_of_standard(tmp_path)
    schema.write_bytes(b"entity\r\nperson\r\n")
    assert digest_of_standard(tmp_path) == first
    codes.write_bytes(b"code\nMale2\n")
    changed = digest_of_standard(tmp_path)
    assert changed != first
    codes.rename(codes.with_name("gender.csv"))
    assert digest_of_standard(tmp_path) not in {first, changed}
    assert digest_of_standard(tmp_path).startswith("sha256:")
