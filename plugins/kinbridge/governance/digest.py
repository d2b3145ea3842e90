"""The digest of a declaration: what was decided on, so that a text that was changed since is known for another.

Pure but for `digest_of_declaration`, which reads one file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

from kinbridge.declaration.document import read_document

# Signatures follow the approval, and the status of a use case says what was decided: neither is what is decided on.
NOT_DIGESTED = frozenset({"signatures", "status"})


def digest_of_declaration(path: Path) -> str:
    """The digest of one declaration, as `sha256:` and 64 hexadecimal digits; see `digest_of`.

    Raises `DocumentError` (KB-C01) when the file cannot be read.
    """
    return digest_of(read_document(path).data)


def digest_of(data: Mapping[str, Any]) -> str:
    """The digest of a declaration's content.

    Comments, layout and the order of names do not count, and neither do `signatures` and `status`: they follow the
    decision. Everything else does.
    """
    counted = {name: value for name, value in data.items() if name not in NOT_DIGESTED}
    text = json.dumps(_canonical(counted), ensure_ascii=False, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _canonical(value: Any) -> Any:
    """The value as lists of kinds and texts, so that the text `2026-01-31` and the day are two things."""
    if isinstance(value, Mapping):
        return ["map", sorted(([str(name), _canonical(inner)] for name, inner in value.items()), key=itemgetter(0))]
    if isinstance(value, list | tuple):
        return ["list", [_canonical(inner) for inner in value]]
    return [type(value).__name__, str(value)]
