"""A manifest as plain values, and the one question that is asked of it: is this file what it says. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

DIFFERS, OTHER_PERIOD = "KB-H03", "KB-H06"
# The rule that a file breaks when it has another number of rows than its manifest says.
ROWS_RULE = "file.manifest_rows"
# The reasons for which a file is refused because of its manifest alone; another manifest may take it. The last one is a
# person's: the file was held for it, and rejected.
REASONS = (DIFFERS, OTHER_PERIOD, ROWS_RULE)


@dataclass(frozen=True)
class Listed:
    """One file of a manifest: its name and the SHA-256 of its bytes in lower-case hexadecimal.

    `size` in bytes and `rows` (of data, without the heading) are None where the manifest does not say.
    """

    name: str
    sha256: str
    size: int | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read whole. `period` is the first day of the month it covers, None when it names none."""

    files: tuple[Listed, ...]
    period: date | None = None


def mismatch(manifest: Manifest, listed: Listed, size: int, sha256: str, period: date | None) -> str | None:
    """The code of the reason why a file is not what its manifest says; None when it is.

    `size` and `sha256` are of the bytes that were received, `period` is the month in the file's name, None without one.
    """
    if sha256 != listed.sha256 or listed.size not in {None, size}:
        return DIFFERS
    if manifest.period and period and manifest.period != period:
        return OTHER_PERIOD
    return None
