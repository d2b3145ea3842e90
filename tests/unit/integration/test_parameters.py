"""The parameters of the figures: whole numbers, none missing, none below the policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.integration.parameters import read_parameters, sql_files

GOOD = "age_limit_months: 72\nfamily_child_years: 18\naddress_families: 3\nfamily_members: 20\nminimum_cell: 11\n"


def test_the_projects_own_are_in_order() -> None:
    assert read_parameters().minimum_cell >= 11
    assert [file.name[:2] for file in sql_files("integrated")] == ["00", "01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (GOOD.replace("11", "10"), ":5: minimum_cell must be a whole number of 11 or more"),
        (GOOD.replace("72", "six"), ":1: age_limit_months must be"),
        (GOOD.replace("72", "true"), ":1: age_limit_months must be"),
        (GOOD.replace("family_child_years: 18\n", ""), "family_child_years must be"),
        (GOOD + "rounding: 5\n", ":6: rounding is not a parameter"),
        ("- 11\n", "not readable"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(KinbridgeError, match=problem) as refused:
        read_parameters(path)
    assert refused.value.code == "KB-M03"


def test_a_schema_without_sql_is_refused() -> None:
    with pytest.raises(KinbridgeError, match="KB-M03"):
        sql_files("nowhere")
