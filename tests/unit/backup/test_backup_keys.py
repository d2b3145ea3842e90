"""Keys of backups: kept apart, destroyed with a mark, and whose part is whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.backup.keys import KeyFolder
from kinbridge.backup.part import concerns, feed_part, partner_part


def test_a_key_is_random_private_and_gone_when_destroyed(tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path / "keys")
    part = feed_part("atlas/people_v1")
    key = keys.new("b1", part)
    assert len(key) == 32
    assert key not in {keys.new("b2", part), keys.new("b1", "common")}
    assert keys.get("b1", part) == key
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "keys" / "b1").iterdir()} == {0}
    assert keys.destroy("b1", part, "destruction 1")
    assert keys.get("b1", part) is None
    assert keys.destroyed("b1", part) == "destruction 1"
    assert (keys.parts("b1"), keys.marked("b1")) == (["common"], [part])
    assert all(key.hex() not in path.read_text() for path in (tmp_path / "keys" / "b1").iterdir())
    assert not keys.destroy("b1", part, "again")
    assert keys.destroyed("b1", part) == "destruction 1"
    assert keys.groups() == ["b1", "b2"]


def test_a_kill_between_mark_and_key_is_made_good_by_doing_it_again(tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path / "keys")
    key = keys.new("b1", "common")
    keys.destroy("b1", "common", "destruction 1")
    (tmp_path / "keys" / "b1" / "common.key").write_text(key.hex())
    assert keys.destroy("b1", "common", "destruction 1")
    assert keys.get("b1", "common") is None


@pytest.mark.parametrize(
    ("part", "feed", "expected"),
    [
        (feed_part("atlas/people_v1"), "atlas/people_v1", True),
        (feed_part("atlas/people_v1"), None, True),
        (feed_part("atlas/people_v2"), "atlas/people_v1", False),
        (feed_part("atlas2/people_v1"), None, False),
        (partner_part("atlas"), "atlas/people_v1", True),
        (partner_part("boreas", "atlas"), "atlas/people_v1", True),
        (partner_part("boreas", "cirrus"), None, False),
        ("common", None, False),
        ("ledger", "atlas/people_v1", False),
        ("probes", None, False),
    ],
)
def test_destroying_a_partners_data_concerns_its_own_parts_and_those_it_shares(
    part: str, feed: str | None, expected: bool
) -> None:
    assert concerns(part, "atlas", feed) is expected
