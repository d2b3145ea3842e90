"""A fictional feed of home visits, for the tests of staging, loading and receiving; an Airflow that modules share."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.airflow_stack import AirflowStack
from tests.support.declared import site_of
from tests.support.deliveries import Intake, write_site
from tests.support.shared_airflow import SharedAirflow

from kinbridge.check.suites import compile_suites

SHARED = SharedAirflow()


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """The Airflow that modules share, at rest, with an empty warehouse for this module."""
    with SHARED.visit(tmp_path_factory.mktemp("airflow")) as stack:
        yield stack


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Stop the shared Airflow after the last test that uses it: idle, it would still take a part of a core."""
    try:
        yield
    finally:
        if "airflow" not in getattr(nextitem, "fixturenames", ()):
            SHARED.close()


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
