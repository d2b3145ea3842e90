"""Names that partners give to their files: which are acceptable, and how to show any name in a log.

A remote name is never used as a path on our side; it is matched, recorded and shown, nothing else.
"""

from __future__ import annotations

import unicodedata

LONGEST_SHOWN = 200


def printable(name: str | bytes) -> str:
    """`name` safe for a log or a page: control, format and unreadable characters escaped, and shortened.

    Newlines would forge log lines, ESC would drive terminals, and direction marks would disguise an ending.
    """
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text[: LONGEST_SHOWN + 1]
    )
    return shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + "…"


def readable(raw: bytes) -> tuple[str | None, str]:
    """The file name in `raw`, or None and the reason why a partner's file cannot have that name."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None, "the name is not UTF-8"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in name):
        return None, "the name holds control characters"
    if "/" in name or name in {"", ".", ".."}:
        return None, "the name is a path"
    if len(raw) > 255:
        return None, "the name is longer than 255 bytes"
    return name, ""
