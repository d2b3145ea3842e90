"""Fixtures of the delivery tests: a hostile server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.unit.delivery.rig import Hostile, serving


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    """A hostile SFTP server of one's own."""
    with serving(Hostile()) as state:
        yield state
