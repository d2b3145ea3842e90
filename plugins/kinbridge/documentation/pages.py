"""The generated pages: their text, and where they stand.

Whoever changes a source runs `kinbridge docs`; a test compares.
"""

from __future__ import annotations

from pathlib import Path

from kinbridge.documentation.error_pages import errors_page
from kinbridge.documentation.rule_pages import rules_page
from kinbridge.errors import catalogue
from kinbridge.settings import home


def pages() -> dict[Path, str]:
    """The text of every generated page, by its path."""
    written = {home() / "docs" / "errors.md": errors_page(catalogue().values())}
    specs = sorted((home() / "tests" / "spec").glob("test_*.py"))
    # Where Kinbridge is installed without its tests, nothing can be said of them, and the page stays as it came.
    if specs:
        sources = {path.name: path.read_text(encoding="utf-8") for path in specs}
        written[home() / "docs" / "rules.md"] = rules_page(sources)
    return written


def write_pages() -> list[Path]:
    """Write the pages that differ from what they should be; returns their paths."""
    changed = []
    for path, text in pages().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed
