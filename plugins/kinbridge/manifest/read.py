"""Reads a manifest in one of its three forms: JSON, CSV, or the lines that `sha256sum` writes.

A manifest is believed whole or not at all: one entry that is not understood makes all of it unreadable. What it says
of the causes names places in it, never what stands there.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from kinbridge.contract.model import ManifestFormat
from kinbridge.delivery.names import readable
from kinbridge.manifest.model import Listed, Manifest

LARGEST_BYTES = 4 * 1024 * 1024
SIDECAR = ".sha256"

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_WHOLE = re.compile(r"[0-9]{1,18}")
# What `sha256sum` writes: the sum, a blank, a blank or an asterisk (text or binary), the name.
_LINE = re.compile(r"([0-9a-fA-F]{64})(?: [ *](.+))?")
_COLUMNS = ("name", "bytes", "sha256", "rows", "period")


class NotAManifest(ValueError):
    """A file that is no manifest in the agreed form; its text says why, without quoting it."""


def read_manifest(content: bytes, form: ManifestFormat, name: str) -> Manifest:
    """The manifest in `content`; `name` is its own name, which a sidecar without a name in it goes by.

    JSON is `{"files": [{"name", "bytes", "sha256", "rows"}], "period": "2026-07"}`, where `rows` and `period` may be
    left out; CSV has a heading with the same names, and the period in each line. Raises `NotAManifest`.
    """
    if len(content) > LARGEST_BYTES:
        raise NotAManifest(f"it has more than {LARGEST_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotAManifest("it is not UTF-8") from None
    readers = {"json": _json, "csv": _csv, "sha256sums": _sums}
    manifest = readers[form](text, name)
    names = [file.name for file in manifest.files]
    if not names:
        raise NotAManifest("it lists no file")
    if len(set(names)) < len(names):
        raise NotAManifest("it lists a file twice")
    return manifest


def _json(text: str, _name: str) -> Manifest:
    try:
        data = json.loads(text, object_pairs_hook=_once)
    except (json.JSONDecodeError, RecursionError):
        raise NotAManifest("it is not JSON") from None
    files = data.get("files") if isinstance(data, dict) else None
    if not isinstance(files, list):
        raise NotAManifest("it has no list of files")
    period = data.get("period")
    return Manifest(tuple(_listed(item, f"file {n}") for n, item in enumerate(files, 1)), _period(period))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotAManifest("it says one thing twice")
    return found


def _csv(text: str, _name: str) -> Manifest:
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error:
        raise NotAManifest("it is not CSV") from None
    heading = [name.strip().lower() for name in rows[0]] if rows else []
    if not {"name", "bytes", "sha256"} <= set(heading) <= set(_COLUMNS) or len(set(heading)) < len(heading):
        raise NotAManifest("its heading has not the columns name, bytes, sha256, and rows and period if wanted")
    if any(len(row) != len(heading) for row in rows):
        raise NotAManifest("a line has not as many values as the heading")
    items = [dict(zip(heading, (value.strip() for value in row), strict=True)) for row in rows[1:]]
    files = [_listed({k: v for k, v in item.items() if v}, f"line {n}") for n, item in enumerate(items, 2)]
    return Manifest(tuple(files), _one_period(_period(item.get("period") or None) for item in items))


def _one_period(periods: Iterable[date | None]) -> date | None:
    found = set(periods)
    if len(found) > 1:
        raise NotAManifest("it names more than one period")
    return found.pop() if found else None


def _sums(text: str, name: str) -> Manifest:
    files = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise NotAManifest(f"line {number} is not as sha256sum writes it")
        listed = match[2] or (name.removesuffix(SIDECAR) if name.endswith(SIDECAR) else None)
        files.append(_listed({"name": listed, "sha256": match[1]}, f"line {number}", sized=False))
    return Manifest(tuple(files))


def _listed(item: Any, place: str, *, sized: bool = True) -> Listed:
    if not isinstance(item, dict):
        raise NotAManifest(f"{place} has no name and no sum")
    name, sha256 = item.get("name"), item.get("sha256")
    if not isinstance(name, str) or readable(name.encode("utf-8", "surrogatepass"))[0] is None:
        raise NotAManifest(f"{place} has no name of a file")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise NotAManifest(f"{place} has no SHA-256")
    size = _whole(item.get("bytes"), f"{place} has no size in bytes")
    if sized and size is None:
        raise NotAManifest(f"{place} has no size in bytes")
    return Listed(name, sha256.lower(), size, _whole(item.get("rows"), f"{place} has rows that are no number"))


def _whole(value: Any, problem: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str) or not _WHOLE.fullmatch(str(value)):
        raise NotAManifest(problem)
    return int(value)


def _period(value: Any) -> date | None:
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", value) if isinstance(value, str) else None
    if match is None or match[1] == "0000":
        raise NotAManifest("its period is not a month such as 2026-07")
    return date(int(match[1]), int(match[2]), 1)
