"""The page and the plot say what the figures say, and an aim that was missed is called missed."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from kinbridge.bench.intake import STAGES, Intake
from kinbridge.bench.peer import WAYS, ways_of
from kinbridge.bench.plot import plot
from kinbridge.bench.report import BEGIN, END, report
from kinbridge.bench.series import FIGURES, IMAGE, PAGE
from kinbridge.errors import KinbridgeError
from kinbridge.settings import home

MACHINE = {
    "day": "2026-01-02",
    "cpus": 2,
    "processor": "Some CPU",
    "memory_gib": 8,
    "system": "Linux x86_64",
    "python": "3.11.7",
}
SVG = "{http://www.w3.org/2000/svg}"


def run(rows: int = 1_000_000, scale: float = 1.0, **other: Any) -> Intake:
    figures: dict[str, Any] = {
        "rows": rows,
        "copy_s": 2.0,
        "stages_s": {"collect": 3.0, "stage": 6.0 * scale, "validate": 5.0, "load": 7.0, "receipt": 1.0},
        "total_s": 16.0 + 6.0 * scale,
        "ratio_to_copy": (16.0 + 6.0 * scale) / 2,
        "worker_peak_mib": 250.0,
        "imports_s": 4.0,
        "account": {"loaded": 97, "quarantined": 2, "duplicate": 1},
        "waiting_s": 2.0,
        "cpu_s": 30.0,
        "copy_cpu_s": 2.0,
        "bad_share": 0.0,
        "changed_rows": 10_000,
        "changes_s": 2.2,
        "beside": {"rows": {"version": "1.2.3", "seconds": 242.0, "changes_s": 11.0}},
    }
    return Intake(**{**figures, **other})


def page(*runs: Intake) -> str:
    figures = {"machine": MACHINE, "runs": [one.figures() for one in runs]}
    return report(f"# Before\n\n{BEGIN}\nold figures\n{END}\n\nbehind\n", figures)


def test_the_table_for_a_person_shows_every_stage_and_dlt() -> None:
    table = run().to_table()
    for text in (*STAGES, "bare COPY", "dlt rows", "121.0", "11.0", "250 MiB", "97 loaded, 2 quarantined, 1 duplicate"):
        assert text in table
    assert "10,000 rows: 2.20 s, 10% of the whole" in table


def test_the_json_has_no_account_and_nothing_that_was_not_measured() -> None:
    figures = json.loads(run(beside={}, changes_s=None, changed_rows=None).to_json())
    assert not {"account", "beside", "changes_s", "changed_rows"} & set(figures)
    assert figures["bad_share"] == 0.0


def test_the_page_keeps_what_stands_around_the_figures_and_says_which_aims_were_reached() -> None:
    text = page(run())
    assert text.startswith(f"# Before\n\n{BEGIN}")
    assert text.endswith(f"{END}\n\nbehind\n")
    assert "old figures" not in text
    assert "| 1,000,000 | 0% | 2.0 | 22.0 | 11.0 | 30.0 | 15.0 | 2.2 | 10% | 250 |" in text
    assert "| 1.2.3, rows | 242.0 | 11.0 | 11.0 | 5.0 |" in text
    assert "not reached" not in text


@pytest.mark.parametrize(
    ("other", "aim"),
    [
        ({"ratio_to_copy": 12.1}, "12 times the bare COPY"),
        ({"worker_peak_mib": 300.0}, "below 300 MiB"),
        ({"changes_s": 2.3}, "at most a tenth |"),
        ({"beside": {"rows": {"version": "1", "seconds": 219.0, "changes_s": 1.0}}}, "faster than dlt"),
    ],
)
def test_an_aim_that_was_missed_is_called_so(other: dict[str, Any], aim: str) -> None:
    missed = [line for line in page(run(**other)).splitlines() if "**not reached**" in line]
    assert any(aim in line for line in missed)


def test_ten_times_the_rows_are_compared_with_the_smaller_file_of_the_same_kind() -> None:
    tenfold = run(10_000_000, total_s=250.0, beside={})
    assert "| ten times the rows in at most 11 times the time | 11.4 | **not reached** |" in page(run(), tenfold)
    assert "ten times the rows" not in page(run(), run(10_000_000, bad_share=0.05))


def test_a_page_without_a_place_for_the_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        report("# Nothing here\n", {"machine": MACHINE, "runs": [run().figures()]})


def test_the_plot_has_a_bar_for_each_step_as_long_as_its_share() -> None:
    drawing = ElementTree.fromstring(plot([run().figures(), run(10_000_000, scale=2.0).figures()]))
    bars = [bar for bar in drawing.findall(f"{SVG}rect") if bar.get("height") == "26"]
    assert len(bars) == 2 * len(STAGES)
    width = [float(bar.get("width", "0")) for bar in bars]
    assert width[1] / width[0] == pytest.approx(2.0, rel=0.01)
    assert width[6] / width[1] == pytest.approx(2.0, rel=0.01)
    ends = [float(bar.get("x", "0")) + float(bar.get("width", "0")) for bar in bars]
    assert max(ends) < float(drawing.get("viewBox", "0 0 0 0").split()[2])


def test_only_dlt_can_be_set_beside() -> None:
    assert (ways_of(None), ways_of("dlt")) == ((), WAYS)
    with pytest.raises(KinbridgeError, match="KB-B04"):
        ways_of("airbyte")


def test_the_published_page_and_plot_are_those_of_the_published_figures() -> None:
    docs = home() / "docs"
    figures = json.loads((docs / FIGURES).read_text(encoding="utf-8"))
    text = (docs / PAGE).read_text(encoding="utf-8")
    assert report(text, figures) == text
    assert plot(figures["runs"]) == (docs / IMAGE).read_text(encoding="utf-8")
