"""A fictional feed of home visits, and a warehouse that is empty at the beginning of each test."""

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
    with site_of(tmp_path_factory.mktemp("site")) as include:
        folder = write_site(include)
        compile_suites()
        yield folder


@pytest.fixture
def intake(visits_folder: Path, warehouse: Any, tmp_path: Path) -> Iterator[Intake]:
    """Deliveries of visits into an empty warehouse."""
    yield (intake := Intake(warehouse, tmp_path))
    intake.empty()
