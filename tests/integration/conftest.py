"""A fictional feed of home visits, for the tests of staging, loading and receiving."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.declared import site_of
from tests.support.deliveries import Intake, write_site

from kinbridge.check.suites import compile_suites


@pytest.fixture(scope="module")
def visits_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the feed, on a site of its own whose suites are compiled."""
    with site_of(tmp_path_factory.mktemp("site")) as include:
        folder = write_site(include)
        compile_suites()
        yield folder


@pytest.fixture
def intake(visits_folder: Path, warehouse: Any, tmp_path: Path) -> Iterator[Intake]:
    """Deliveries of visits into a warehouse that is emptied afterwards."""
    yield (intake := Intake(warehouse, tmp_path))
    intake.empty()
