"""`kinbridge bench link`: both processes are run and measured, and what fails is told without values."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinbridge.bench.link import Beside, Run, run_link
from kinbridge.cli.main import app
from kinbridge.errors import KinbridgeError

FIRST = ["Olivia", "Liam", "Emma", "Noah", "Ava", "Elijah", "Sophia", "Mateo", "Mia", "Lucas", "Camila", "Ezra"]
LAST = ["Hartwell", "Okafor", "Delgado", "Nguyen", "Brandt", "Castellano", "Whitfield", "Abdi", "Kowalski"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    chance = random.Random(3)
    rows = []
    for person in range(300):
        born = f"{1990 + chance.randrange(25)}-{1 + chance.randrange(12):02}-{1 + chance.randrange(28):02}"
        first, last = chance.choice(FIRST), chance.choice(LAST)
        rows += [f"{person}a,{first},{last},{born}", f"{person}b,{first[:-1]},{last},{born}"]
    (tmp_path / "a.csv").write_text("\n".join(["id,first,last,born", *rows]), encoding="utf-8")
    path = tmp_path / "link.yaml"
    path.write_text(
        "sources:\n  a:\n    file: a.csv\n    id: id\n    columns:\n      first_name: first\n      last_name: last\n"
        '      birth_date: {column: born, format: "%Y-%m-%d"}\n'
    )
    return path


def test_both_are_measured_as_whole_processes(config: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "link", "--config", str(config), "--beside", "splink", "--runs", "1"])
    assert done.exit_code == 0, done.output
    table = [line.split() for line in done.stdout.splitlines()[-4:]]
    assert [line[0] for line in table[1:]] == ["kinbridge", "splink", "ratio"]
    ours, peer, ratio = ([float(value) for value in line[1:]] for line in table[1:])
    assert min(ours[1], peer[1]) > 0.3
    assert min(ours[2], peer[2]) > 50
    assert ratio[1] == pytest.approx(ours[1] / peer[1], abs=0.02)


def test_medians_are_shown_and_their_ratio() -> None:
    runs = (Run(2, 3, 100), Run(4, 3, 100), Run(90, 3, 400))
    table = Beside(runs, (Run(2, 2, 200),)).to_table().splitlines()
    assert table[1].split() == ["kinbridge", "4.00", "3.00", "100"]
    assert table[-1].split() == ["ratio", "2.00", "1.50", "0.50"]


def test_unknown_peer_is_refused(config: Path) -> None:
    with pytest.raises(KinbridgeError, match="KB-B04"):
        run_link(config, beside="dlt", runs=1)


def test_run_that_fails_is_told(config: Path) -> None:
    (config.parent / "a.csv").write_text("id,first,last,born\n1,a,b,2000-01-01\n1,a,b,2000-01-01\n")
    with pytest.raises(KinbridgeError, match="KB-B05"):
        run_link(config, beside=None, runs=1)
