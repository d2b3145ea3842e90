"""A partner's clock and reminders: what its profile says, and nothing guessed from what it says wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.partner.profile import partners
from kinbridge.partner.reminders import reminders_of

PROFILE = "partner: atlas\nname: Atlas\ncontacts:\n  - {role: desk, name: D, email: d@example.org}\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The profile of a partner of another site."""
    path = tmp_path / "partners" / "atlas" / "profile.yaml"
    path.parent.mkdir(parents=True)
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(tmp_path))
    return path


def test_the_projects_partners_are_reminded_by_their_own_clock() -> None:
    assert {(str(reminders_of(name).timezone), reminders_of(name).days_before) for name in partners()} == {
        ("America/Denver", 3)
    }


@pytest.mark.parametrize(
    ("text", "zone", "days"),
    [
        ("", "UTC", 3),
        ("timezone: Pacific/Auckland\nreminders: { days_before: 0 }\n", "Pacific/Auckland", 0),
        ("reminders: {}\n", "UTC", 3),
    ],
)
def test_what_a_profile_does_not_say_has_a_usual_value(write: Path, text: str, zone: str, days: int) -> None:
    write.write_text(PROFILE + text, encoding="utf-8")
    found = reminders_of("atlas")
    assert (found.timezone.key, found.days_before) == (zone, days)


@pytest.mark.parametrize(
    "text",
    [
        "timezone: Mars/Olympus",
        "timezone: America",
        "timezone: ../../etc/passwd",
        "timezone: /etc/localtime",
        "timezone: ''",
        "timezone: -7",
        "reminders: 3",
        "reminders: { days: 3 }",
        "reminders: { days_before: three }",
        "reminders: { days_before: true }",
        "reminders: { days_before: -1 }",
        "reminders: { days_before: 61 }",
    ],
)
def test_what_is_wrong_is_named_with_its_line(write: Path, text: str) -> None:
    write.write_text(PROFILE + text + "\n", encoding="utf-8")
    with pytest.raises(KinbridgeError, match="KB-E02") as caught:
        reminders_of("atlas")
    assert caught.value.facts["line"] == 5


def test_a_partner_without_a_profile_has_no_clock() -> None:
    with pytest.raises(KinbridgeError, match="KB-C40"):
        reminders_of("nobody")
