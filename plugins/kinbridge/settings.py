"""Where things are, read from the environment once. No secrets live here; those are in connections."""

from __future__ import annotations

import os
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]


def home() -> Path:
    """The project's folder (the one that holds `dags/`, `plugins/` and `include/`)."""
    return HOME


def include_folders() -> list[Path]:
    """Folders of declarations, the project's own first.

    `KINBRIDGE_INCLUDE` adds more (colon-separated), laid out alike: a site keeps its partners beside ours without
    touching them.
    """
    extra = [Path(p) for p in os.environ.get("KINBRIDGE_INCLUDE", "").split(os.pathsep) if p]
    return [HOME / "include", *extra]


def great_expectations_folder() -> Path:
    """The Great Expectations project; `KINBRIDGE_GX` moves it (its `uncommitted/` is written to)."""
    return Path(os.environ.get("KINBRIDGE_GX") or HOME / "great_expectations")


def state_folder() -> Path:
    """Everything a run leaves on this machine: landed files, bundled services, keys. Git-ignored."""
    return Path(os.environ.get("KINBRIDGE_STATE") or HOME / ".kinbridge")


def landing_folder() -> Path:
    """Where collected files wait to be staged, readable by the pipeline's user only."""
    return state_folder() / "landing"
