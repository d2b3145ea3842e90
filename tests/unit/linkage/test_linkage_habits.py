"""What a partner's profile says of its ids reaches the model, and nothing is decided on a word that is not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.habits import with_partner_habits
from kinbridge.linkage.model import read_model


def profile(folder: Path, partner: str, linkage: str) -> None:
    (folder / "partners" / partner).mkdir(parents=True)
    text = f"partner: {partner}\nname: X\ncontacts: [{{role: a, name: b, email: c}}]\n{linkage}"
    (folder / "partners" / partner / "profile.yaml").write_text(text, encoding="utf-8")


def test_a_site_says_it_beside_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(tmp_path))
    profile(tmp_path, "atlas", "linkage: {duplicates: none}\n")
    profile(tmp_path, "boreas", "")
    model = read_model()
    found = with_partner_habits(model)
    assert found.duplicates("atlas") == "none"
    assert found.duplicates("boreas") == model.duplicates_default
    assert found.duplicates("medicaid") == model.duplicates("medicaid")
    assert model.duplicates("atlas") == model.duplicates_default


@pytest.mark.parametrize("linkage", ["linkage: {duplicates: never}\n", "linkage: rare\n", "linkage: {}\n"])
def test_an_unknown_word_stops_the_linkage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linkage: str) -> None:
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(tmp_path))
    profile(tmp_path, "atlas", linkage)
    with pytest.raises(KinbridgeError, match=r"profile\.yaml:4: linkage\.duplicates must be one of none, rare, common"):
        with_partner_habits(read_model())
