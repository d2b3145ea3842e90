"""The standard that is in use: its version, the digest of what it consists of, and the gate on it.

`standards/standard.yaml` of the first include folder names it. The digest covers `common_schema.csv` and its code sets,
byte for byte but for line ends. Nothing is staged or loaded by a standard that was not approved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from kinbridge.decision.approvals import Approvals, read_approvals
from kinbridge.declaration.clause import near
from kinbridge.declaration.document import DocumentError, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders

KIND = "standard"


@dataclass(frozen=True)
class Standard:
    """The standard in use; `line` is where its version stands in `path`."""

    id: str
    version: str
    digest: str
    path: Path
    line: int


def standard(include: Path | None = None) -> Standard:
    """The standard of this include folder, by default the project's own.

    Raises `KinbridgeError` KB-G01 when `standards/standard.yaml` cannot be read whole.
    """
    folder = (include or include_folders()[0]) / "standards"
    path = folder / "standard.yaml"
    try:
        document = read_document(path)
    except (DocumentError, FileNotFoundError) as error:
        problem = error.problem.text if isinstance(error, DocumentError) else "there is no such file"
        raise KinbridgeError("KB-G01", path=near(path), line=1, problem=problem) from None
    for name in ("id", "version"):
        if not isinstance(document.data.get(name), str):
            line = document.line(name)
            raise KinbridgeError("KB-G01", path=near(path), line=line, problem=f"{name} is required, as text")
    version = str(document.data["version"])
    return Standard(str(document.data["id"]), version, digest_of_standard(folder), path, document.line("version"))


def refuse_undecided_standard(connection: Any, day: date, folders: Sequence[Path] | None = None) -> None:
    """The gate on the standard: raise unless its very text is approved on that day.

    Raises `KinbridgeError` KB-G20 (no decision, or a rejection) and KB-G21 (changed since it was approved).
    """
    refuse_standard(standard(folders[0] if folders else None), read_approvals(connection, folders, day=day), day)


def refuse_standard(one: Standard, approvals: Approvals, day: date) -> None:
    """As `refuse_undecided_standard`, with what was read. Pure."""
    found = approvals.standing(KIND, one.id, one.version, one.digest, day=day)
    if found == "approved":
        return
    facts = {"standard": one.id, "version": one.version, "path": near(one.path), "line": one.line}
    if found == "changed":
        raise KinbridgeError("KB-G21", **facts)
    raise KinbridgeError("KB-G20", **facts, found=found)


def digest_of_standard(folder: Path) -> str:
    """The digest of the standard in `folder`, as `sha256:` and 64 hexadecimal digits.

    Read again only when a file was changed, added or removed.
    """
    files = sorted([folder / "common_schema.csv", *(folder / "code_sets").glob("**/*.csv")])
    seen = [(path.relative_to(folder).as_posix(), path.stat()) for path in files]
    return _digest(folder, tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in seen))


@lru_cache(maxsize=4)
def _digest(folder: Path, files: tuple[tuple[str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for name, _, _ in files:
        content = (folder / name).read_bytes().replace(b"\r\n", b"\n")
        whole.update(f"{name}\0{len(content)}\0".encode())
        whole.update(content)
    return f"sha256:{whole.hexdigest()}"
