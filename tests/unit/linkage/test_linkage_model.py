"""The declared model: the shipped one is sound, and each kind of mistake is named with its code and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.model import check_model, model_path, read_model

# text in the shipped model, what it is replaced by, the code that must name it
MISTAKES = [
    ("thresholds:", "threshold:", "KB-C42"),
    ("needs: [sex]", "need: [sex]", "KB-C42"),
    ("  link: 0.75 ", "  link: 0.2 ", "KB-C43"),
    ("  block_size: 400", "  block_sizes: 400", "KB-C43"),
    ("    medicaid: rare", "    medicaid: seldom", "KB-C44"),
    ("  middle_name: [NA,", "  second_name: [NA,", "KB-C45"),
    ('"NULL"', "NULL", "KB-C45"),
    ("m: 0.985, u: 0.5", "m: 0.885, u: 0.5", "KB-C46"),
    ("rare_values_of: first_name", "rare_values_of: last_name", "KB-C46"),
    ("needs: [email]", "needs: [mail]", "KB-C46"),
    ("  - [birth_key, sex]", "  - [sex, city]", "KB-C47"),
    ("  - [birth_key, sex]", "  - [birth_key, gender]", "KB-C47"),
    ("  - [birth_key, sex]", "  - [birth_key, kin]", "KB-C47"),
    ("  - [street]", "  - [lane]", "KB-C47"),
    ("when: sex_l = sex_r,", "when: sex_l = sex_right,", "KB-C48"),
    ("when: generation_l <> generation_r AND", "when: generation_l <> (generation_r AND", "KB-C48"),
    ("  - name: twins\n", "  - name: twin's\n", "KB-C48"),
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
    if code not in ("KB-C42", "KB-C43"):
        # A wrong name or word is found where it stands; a missing part is found where it is missed.
        line = shipped[: shipped.index(text)].count("\n") + 1
        assert min(abs(problem.line - line) for problem in problems if problem.code == code) <= 4
    with pytest.raises(KinbridgeError, match="KB-K01"):
        read_model(path)


def test_sources_that_are_not_declared_have_the_default() -> None:
    model = read_model()
    assert model.duplicates("medicaid") == "rare"
    assert model.duplicates("a_partner_of_tomorrow") == "common"
