"""The name under which numpy arrays stand in signatures.

What an array holds, and along what it runs, is said in words where it matters: numpy's own types say neither, and
most arrays here hold text (`object`) or days (`datetime64[D]`).
"""

from __future__ import annotations

from typing import Any, TypeAlias

Array: TypeAlias = Any
