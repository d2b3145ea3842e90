"""Folders for tests to write in, so that none writes into the project's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from kinbridge.settings import home


def copy_of_gx(folder: Path) -> Path:
    """The project's Great Expectations folder (settings and suites, no results), for `KINBRIDGE_GX`."""
    source = home() / "great_expectations"
    folder.mkdir(parents=True)
    shutil.copy(source / "great_expectations.yml", folder)
    shutil.copytree(source / "expectations", folder / "expectations")
    return folder
