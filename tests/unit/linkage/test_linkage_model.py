"""The declared model: the shipped one is sound, and each kind of mistake is named with its code and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.model import check_model, model_path, read_model

# text in the shipped model, what it is replaced by, the code that must name it
MISTAKES = [
    ("thresholds:", "threshold:", "KB-C40"),
    ("needs: [sex]", "need: [sex]", "KB-C40"),
    ("  link: 0.9 ", "  link: 0.3 ", "KB-C41"),
    ("  block_size: 400", "  block_sizes: 400", "KB-C41"),
    ("    medicaid: rare", "    medicaid: seldom", "KB-C42"),
    ("  middle_name: [NA,", "  second_name: [NA,", "KB-C43"),
    ('"NULL"', "NULL", "KB-C43"),
    ("m: 0.985, u: 0.5", "m: 0.885, u: 0.5", "KB-C44"),
    ("rare_values_of: first_name", "rare_values_of: last_name", "KB-C44"),
    ("needs: [email]", "needs: [mail]", "KB-C44"),
    ("  - [birth_key, sex]", "  - [sex, city]", "KB-C45"),
    ("  - [birth_key, sex]", "  - [birth_key, gender]", "KB-C45"),
    ("when: sex_l = sex_r,", "when: sex_l = sex_right,", "KB-C46"),
    ("when: generation_l <> generation_r AND", "when: generation_l <> (generation_r AND", "KB-C46"),
    ("  - name: twins\n", "  - name: twin's\n", "KB-C46"),
]


def test_shipped_model_has_no_mistake() -> None:
    assert check_model() == []


@pytest.mark.parametrize(("text", "wrong", "code"), MISTAKES)
def test_mistake_is_named_with_its_line(tmp_path: Path, text: str, wrong: str, code: str) -> None:
    shipped = model_path().read_text(encoding="utf-8")
    assert text in shipped
    path = tmp_path / "person.yaml"
    path.write_text(shipped.replace(text, wrong, 1), encoding="utf-8")
    problems = check_model(path)
    assert code in {problem.code for problem in problems}
    if code not in ("KB-C40", "KB-C41"):
        # A wrong name or word is found where it stands; a missing part is found where it is missed.
        line = shipped[: shipped.index(text)].count("\n") + 1
        assert min(abs(problem.line - line) for problem in problems if problem.code == code) <= 4
    with pytest.raises(KinbridgeError, match="KB-K01"):
        read_model(path)


def test_sources_that_are_not_declared_have_the_default() -> None:
    model = read_model()
    assert model.duplicates("medicaid") == "rare"
    assert model.duplicates("a_partner_of_tomorrow") == "common"
