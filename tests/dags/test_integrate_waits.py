"""How long the integrate DAG waits for deliveries under way: a busy morning is no failure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest


@pytest.mark.parametrize(
    ("under_way", "waited_seconds", "begins"),
    [(0, 0, True), (3, 0, False), (3, 890, False), (3, 901, True), (0, 901, True)],
)
def test_it_begins_when_nothing_is_under_way_or_it_has_waited_long_enough(
    monkeypatch: pytest.MonkeyPatch, under_way: int, waited_seconds: int, begins: bool
) -> None:
    from kinbridge.orchestration import integrate

    monkeypatch.setattr(integrate, "QUIET_SECONDS", 900)
    began = datetime.now(UTC) - timedelta(seconds=waited_seconds)
    assert integrate.may_begin(under_way, began) is begins
