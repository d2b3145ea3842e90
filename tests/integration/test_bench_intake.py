"""`kinbridge bench intake` through all of its services, once and small."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinbridge.bench.intake import STAGES
from kinbridge.bench.intake import run_intake as run
from kinbridge.cli.main import app

ROWS = 2_000


def test_a_small_intake_says_its_figures_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = []

    def keeping(rows: int, **options: object) -> object:
        kept.append(run(rows, **options))  # type: ignore[arg-type]
        return kept[0]

    monkeypatch.setattr("kinbridge.bench.intake.run_intake", keeping)
    done = CliRunner().invoke(
        app, ["bench", "intake", "--rows", str(ROWS), "--change-share", "0.1", "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0
    figures = json.loads(done.stdout)
    always = {"rows", "copy_s", "stages_s", "total_s", "ratio_to_copy", "worker_peak_mib", "imports_s", "bad_share"}
    assert set(figures) == always | {"waiting_s", "cpu_s", "copy_cpu_s", "changed_rows", "changes_s"}
    assert 0.1 < figures["cpu_s"] < figures["total_s"] * 2
    assert figures["changed_rows"] == ROWS / 10
    assert figures["changes_s"] > 0
    assert figures["rows"] == ROWS
    assert tuple(figures["stages_s"]) == STAGES
    assert all(seconds > 0 for seconds in figures["stages_s"].values())
    assert sum(figures["stages_s"].values()) <= figures["total_s"] + 0.01
    # The copy takes milliseconds here, of which thousandths are told.
    rounded = 0.0006 / figures["copy_s"] + 0.01
    assert figures["ratio_to_copy"] == pytest.approx(figures["total_s"] / figures["copy_s"], rel=rounded)
    assert 50 < figures["worker_peak_mib"] < 400
    account = kept[0].account
    assert account["source_rows"] == ROWS
    assert account["loaded"] + account["unchanged"] + account["quarantined"] + account["duplicate"] == ROWS
    assert account["loaded"] > 0.97 * ROWS
    assert account["quarantined"] > 0
    assert list(tmp_path.iterdir()) == []
