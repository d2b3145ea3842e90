"""Profiles say whom to ask; one that does not say it is refused by name."""

from pathlib import Path

import pytest
from tests.support.declared import site_of

from kinbridge.errors import KinbridgeError
from kinbridge.partner.profile import office_contact, partners, read_profile

PROFILE = "partner: atlas\nname: Atlas\ncontacts:\n  - {role: desk, name: D, email: d@example.org}\n"


def test_the_projects_partners_can_all_be_asked() -> None:
    assert {"medicaid", "snap"} < set(partners())
    assert all(read_profile(partner).contacts for partner in partners())
    assert "@" in office_contact()


def test_a_site_adds_its_partners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = tmp_path / "partners" / "atlas" / "profile.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text(PROFILE, encoding="utf-8")
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(tmp_path))
    assert "atlas" in partners()
    assert read_profile("atlas").contacts[0].email == "d@example.org"


@pytest.mark.parametrize(
    "text", [None, "", "name: Atlas\n", PROFILE.replace("email", "mail"), "contacts: [x]\nname: A"]
)
def test_a_profile_that_names_nobody_is_refused(tmp_path: Path, text: str | None) -> None:
    with site_of(tmp_path) as include:
        (include / "partners" / "atlas").mkdir(parents=True)
        if text is not None:
            (include / "partners" / "atlas" / "profile.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(KinbridgeError) as caught:
            read_profile("atlas")
    assert (caught.value.code, caught.value.facts) == ("KB-C40", {"partner": "atlas"})


def test_an_office_that_nobody_named_is_refused(tmp_path: Path) -> None:
    with site_of(tmp_path) as include:
        (include / "office.yaml").unlink()
        with pytest.raises(KinbridgeError, match="KB-C41"):
            office_contact()
