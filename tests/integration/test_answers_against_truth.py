"""The demo's data through the whole system, held against the simulator's truth.

Same families, seed and months as `make demo`; real Postgres, SFTP server, Great Expectations and Splink. Airflow alone
is left out here: the steps are the same functions, called in the order of the DAGs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine
from tests.support.intake import drop, receive_all

from kinbridge.bundled import sftp as bundled_sftp
from kinbridge.bundled.sftp import SftpService
from kinbridge.cli.main import demo_run
from kinbridge.integration.build import build_integrated
from kinbridge.integration.publish import publish_mart
from kinbridge.linkage.model import read_model
from kinbridge.linkage.run import link_people
from kinbridge.partner.profile import partners
from kinbridge.simulator import simulate

FAMILIES, SEED, MONTHS = (demo_run.__defaults__ or ())[:3]
TOTAL = "any program"


@dataclass(frozen=True)
class World:
    """What was simulated, and the warehouse that came of it."""

    files: Path
    warehouse: object
    server: SftpService

    def truth(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.files / "truth" / f"{name}.csv", dtype=str, keep_default_na=False)

    def read(self, role: str, sql: str) -> pd.DataFrame:
        engine = create_engine(self.warehouse.role(role).sqlalchemy_url)  # type: ignore[attr-defined]
        try:
            with engine.connect() as connection:
                return pd.read_sql_query(sql, connection)
        finally:
            engine.dispose()

    def integrate(self) -> None:
        linkage = self.warehouse.linkage  # type: ignore[attr-defined]
        link_people(linkage, read_model())
        build_integrated(linkage)
        publish_mart(linkage)


@pytest.fixture(scope="module")
def world(warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINBRIDGE_STATE", str(folder / "state"))
        simulate(folder / "files", FAMILIES, SEED, MONTHS)
        server = bundled_sftp.start(folder / "sftp", partners())
        for partner in partners():
            for path in sorted((folder / "files" / partner).iterdir()):
                drop(server, partner, path)
        receive_all(warehouse.pipeline, server)
        made = World(folder / "files", warehouse, server)
        made.integrate()
        yield made
        bundled_sftp.stop(folder / "sftp")


def test_every_file_is_accounted_for(world: World) -> None:
    accounts = world.read(
        "kb_steward",
        "SELECT d.state, a.* FROM ledger.delivery AS d LEFT JOIN ledger.account AS a USING (delivery_id)",
    )
    assert len(accounts) == 6 * MONTHS
    fates = accounts[["loaded", "unchanged", "quarantined", "duplicate", "undecided"]].sum(axis=1)
    assert (accounts.source_rows == fates).all()
    assert (accounts[accounts.undecided > 0].state == "held").all()
    assert (accounts.state == "held").sum() == 1


def test_great_expectations_counts_what_the_findings_say(world: World) -> None:
    results = world.read("kb_steward", "SELECT rule, scope, found, gx_count FROM ledger.rule_result")
    rows = results[results.scope == "row"]
    assert len(rows) > 100
    assert rows.found.sum() > 100
    assert rows.gx_count.notna().all()
    assert (rows.found == rows.gx_count).all()


def seen(spoilt: pd.DataFrame) -> pd.DataFrame:
    """The spoilt rows, but for those whose mistake is in a column that an amendment took back: nobody reads it."""
    return spoilt[~spoilt.how.str.contains("duration")]


def test_every_spoilt_row_is_found_by_the_rule_it_breaks_and_no_other(world: World) -> None:
    found = world.read(
        "kb_steward",
        """
        SELECT d.feed, d.file_name AS file, f.line_no::text AS line_no, f.rule
        FROM ledger.finding AS f INNER JOIN ledger.delivery AS d USING (delivery_id)
        """,
    )
    truth = seen(world.truth("spoilt"))
    broken = truth[truth.rule != "duplicate"]
    key = ["feed", "file", "line_no", "rule"]
    expected, got = ({tuple(row) for row in frame[key].to_numpy()} for frame in (broken, found))
    assert len(expected) > 200
    assert got == expected


def test_only_spoilt_rows_are_quarantined(world: World) -> None:
    quarantined = world.read(
        "kb_steward",
        """
        SELECT d.feed, d.file_name AS file, q.line_no::text AS line_no
        FROM quarantine.source_row AS q INNER JOIN ledger.delivery AS d USING (delivery_id)
        """,
    )
    truth = seen(world.truth("spoilt"))
    held = world.read("kb_steward", "SELECT file_name FROM ledger.delivery WHERE state = 'held'").file_name[0]
    critical = truth[(truth.severity == "critical") & (truth.file != held)]
    key = ["feed", "file", "line_no"]
    assert {tuple(r) for r in quarantined[key].to_numpy()} == {tuple(r) for r in critical[key].to_numpy()}


def test_people_are_linked_as_they_truly_are(world: World) -> None:
    linked = world.read("kb_linkage", "SELECT partner, source_person_id, person_id::text FROM identity.person_link")
    truth = world.truth("people")
    both = linked.merge(truth, on=["partner", "source_person_id"])
    assert len(both) == len(linked)
    assert len(linked) > 0.99 * len(truth)
    right = _pairs(both.groupby(["person_id", "true_person_id"]).ngroup())
    precision, recall = right / _pairs(both.person_id), right / _pairs(both.true_person_id)
    print(f"linkage against the truth: precision {precision:.4f}, recall {recall:.4f}, {len(both)} source persons")
    assert precision >= 0.99
    assert recall >= 0.95


def _pairs(groups: pd.Series) -> int:
    sizes = groups.value_counts()
    return int((sizes * (sizes - 1) // 2).sum())


def test_unduplicated_counts_are_within_two_percent_of_the_truth(world: World) -> None:
    shown = world.read("kb_analyst", "SELECT * FROM mart.children_served")
    expected = pd.concat([_true_counts(world, "true_person_id"), _true_counts(world, "true_family_id")], axis=1)
    expected.columns = ["children", "families"]
    shown = shown.assign(month=shown.month.astype(str)).set_index(["month", "grouping", "programs"])
    compared, worst = 0, 0.0
    for unit in ("children", "families"):
        for place, count in expected[unit][expected[unit] >= 100].items():
            figure = shown.at[place, unit]
            if pd.isna(figure):
                continue  # withheld to protect a smaller one
            compared += 1
            worst = max(worst, abs(figure - count) / count)
    print(f"{compared} unduplicated counts of 100 or more; the worst is off by {worst:.2%}")
    assert compared >= 10 * MONTHS
    assert worst <= 0.02


def _true_counts(world: World, unit: str) -> pd.Series:
    """Counts of the truth by month, grouping and programs, of children under six or of their families."""
    served = world.truth("participation")
    served = served[served.child_under_six == "true"]
    combined = served.groupby(["month", unit]).program.agg(lambda programs: " + ".join(sorted(set(programs))))
    exact = combined.reset_index().groupby(["month", "program"])[unit].nunique()
    single = served.groupby(["month", "program"])[unit].nunique()
    total = served.groupby("month")[unit].nunique()
    parts = {
        "combination": exact,
        "program": single,
        "total": total.to_frame().assign(program=TOTAL).set_index("program", append=True)[unit],
    }
    frames = [
        s.rename_axis(["month", "programs"]).rename("n").reset_index().assign(grouping=g) for g, s in parts.items()
    ]
    return pd.concat(frames).set_index(["month", "grouping", "programs"]).n


def test_no_small_count_is_shown(world: World) -> None:
    for table, columns in {
        "children_served": ["children", "families"],
        "children_by_characteristic": ["children"],
        "referral_outcomes": ["referrals", "became_service", "no_service", "already_served", "not_observable"],
    }.items():
        figures = world.read("kb_analyst", f"SELECT {', '.join(columns)} FROM mart.{table}").stack().dropna()
        assert len(figures) > 0
        assert not figures.between(1, 10).any()


def test_integrating_again_changes_no_person_and_no_figure(world: World) -> None:
    people = "SELECT * FROM identity.person_link ORDER BY partner, source_person_id"
    figures = "SELECT * FROM mart.children_served ORDER BY month, grouping, programs"
    before = world.read("kb_linkage", people).drop(columns="run_id"), world.read("kb_analyst", figures)
    world.integrate()
    after = world.read("kb_linkage", people).drop(columns="run_id"), world.read("kb_analyst", figures)
    assert before[0].equals(after[0])
    assert before[1].equals(after[1])


def test_receiving_again_doubles_nothing(world: World) -> None:
    counting = """
        SELECT (SELECT count(*) FROM ledger.delivery), (SELECT count(*) FROM record.person),
            (SELECT count(*) FROM record.program_enrollment), (SELECT count(*) FROM quarantine.source_row)
    """
    before = world.warehouse.query(counting)  # type: ignore[attr-defined]
    # Later files have brought corrected rows of earlier ones: those get a new receipt, once.
    receive_all(world.warehouse.pipeline, world.server)  # type: ignore[attr-defined]
    assert receive_all(world.warehouse.pipeline, world.server) == []  # type: ignore[attr-defined]
    again = world.files / "home_visiting" / "enrollments_202607.csv"
    drop(world.server, "home_visiting", again, "enrollments_202606.csv")
    receive_all(world.warehouse.pipeline, world.server)  # type: ignore[attr-defined]
    deliveries, *rest = world.warehouse.query(counting)[0]  # type: ignore[attr-defined]
    assert [deliveries - 1, *rest] == list(before[0])
