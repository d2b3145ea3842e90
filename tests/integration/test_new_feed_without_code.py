"""Three extracts nobody here wrote come in by declarations alone: fixtures, no code, from SFTP to linked people."""

from __future__ import annotations

import csv
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.approving import approve

from kinbridge.bundled import sftp as bundled_sftp
from kinbridge.check.declarations import check
from kinbridge.check.suites import compile_suites
from kinbridge.contract.odcs import feed_of, feeds
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.linkage.habits import with_partner_habits
from kinbridge.linkage.model import read_model
from kinbridge.linkage.run import link_people
from kinbridge.receive.collect import collect_feed, gate
from kinbridge.receive.load import load_delivery
from kinbridge.receive.receipt import send_receipt_of
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import validate_delivery
from kinbridge.settings import home
from kinbridge.validation.expectations import project

pytestmark = pytest.mark.shared_data

FIXTURES = Path(__file__).parents[1] / "fixtures" / "pseudopeople" / "include"
TODAY = date(2026, 7, 1)
# Feed, the extract, and its rows.
EXTRACTS = {
    "census_bureau/decennial_v1": ("decennial_census", 10_231),
    "ssa/numident_v1": ("social_security", 16_497),
    "wic/participants_v1": ("women_infants_and_children", 140),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A site: the project's declarations and the fixtures beside them, with suites and state of its own."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "gx").mkdir()
    include = Path(shutil.copytree(FIXTURES, folder / "include"))
    shutil.copy(home() / "great_expectations" / "great_expectations.yml", folder / "gx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINBRIDGE_INCLUDE", str(include))
        patch.setenv("KINBRIDGE_GX", str(folder / "gx"))
        patch.setenv("KINBRIDGE_STATE", str(folder / "state"))
        for known in (feeds, project):
            known.cache_clear()
        approve(include)
        compile_suites()
        yield folder
    for known in (feeds, project):
        known.cache_clear()


@pytest.fixture(scope="module")
def loaded(site: Path, shared_data: Path, warehouse: Any) -> Iterator[dict[str, int]]:
    """The deliveries by feed, each collected, staged, validated, loaded and answered with a receipt."""
    service = bundled_sftp.start(site / "sftp", [feed.split("/")[0] for feed in EXTRACTS])
    try:
        yield {feed: _receive(feed, name, service, shared_data, warehouse) for feed, (name, _) in EXTRACTS.items()}
    finally:
        bundled_sftp.stop(site / "sftp")


def _receive(feed_id: str, name: str, service: bundled_sftp.SftpService, shared_data: Path, warehouse: Any) -> int:
    partner = feed_id.split("/", maxsplit=1)[0]
    dropped = service.jail(partner) / "inbox" / f"{name}_202012.csv"
    shutil.copyfile(shared_data / "pseudopeople" / "feeds" / f"{name}.csv", dropped)
    os.utime(dropped, (time.time() - 60,) * 2)
    endpoint = SftpEndpoint(
        partner, service.host, service.port, partner, service.host_key, key_file=service.keys[partner]
    )
    dsn = warehouse.pipeline
    granted = gate(dsn, feed_id, TODAY)
    [delivery_id] = collect_feed(dsn, endpoint, feed_of(feed_id), granted, datetime.now(UTC)).deliveries
    stage_delivery(dsn, delivery_id, TODAY)
    verdict = validate_delivery(dsn, delivery_id, TODAY)
    assert verdict is not None
    assert verdict.held_by == ()
    load_delivery(dsn, delivery_id, TODAY)
    send_receipt_of(dsn, endpoint, delivery_id)
    assert len(list((service.jail(partner) / "outbox").rglob("*.json"))) == 1
    return delivery_id


def test_declarations_of_ours_and_theirs_hold_together(site: Path) -> None:
    assert check() == []
    assert set(EXTRACTS) < set(feeds())


def test_every_row_is_in_the_record(loaded: dict[str, int], warehouse: Any) -> None:
    """Noise (dates with letters, empty names, ZIP 00000) is warned of; only a row without its id would be refused."""
    accounts = dict(
        warehouse.query(
            "SELECT d.feed, (source_rows, loaded, unchanged, quarantined, duplicate, undecided)::text "
            "FROM ledger.account INNER JOIN ledger.delivery AS d USING (delivery_id)"
        )
    )
    assert accounts == {feed: f"({rows},{rows},0,0,0,0)" for feed, (_, rows) in EXTRACTS.items()}
    current = dict(warehouse.query("SELECT feed, count(*) FROM record.person WHERE known_to IS NULL GROUP BY feed"))
    assert current == {feed: rows for feed, (_, rows) in EXTRACTS.items()}


def test_findings_agree_with_great_expectations(loaded: dict[str, int], shared_data: Path, warehouse: Any) -> None:
    results = warehouse.query(
        "SELECT d.feed, r.rule, r.severity, r.found, r.gx_count FROM ledger.rule_result AS r "
        "INNER JOIN ledger.delivery AS d USING (delivery_id) WHERE r.scope = 'row'"
    )
    assert [row for row in results if row[3] != row[4]] == []
    assert [row for row in results if row[2] == "critical" and row[3]] == []
    found = {(feed, rule): count for feed, rule, _, count, _ in results}
    # Counted here from the files themselves, without any of our readers.
    for feed, (name, _) in EXTRACTS.items():
        with (shared_data / "pseudopeople" / "feeds" / f"{name}.csv").open(encoding="utf-8", newline="") as text:
            rows = list(csv.DictReader(text))
        assert found[feed, "last_name.presence"] == sum(not row["last_name"] for row in rows)
        born = [row["date_of_birth"] for row in rows if row["date_of_birth"]]
        form = {"census_bureau": "%m/%d/%Y", "wic": "%m%d%Y", "ssa": "%Y%m%d"}[feed.split("/")[0]]
        assert found[feed, "date_of_birth.type"] == sum(not _is_date(text, form) for text in born)
    assert found["census_bureau/decennial_v1", "date_of_birth.type"] > 30


def _is_date(text: str, form: str) -> bool:
    width = len(datetime(2000, 1, 1, tzinfo=UTC).strftime(form))
    try:
        datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return False
    return len(text) == width


def test_columns_outside_the_agreement_are_not_read(loaded: dict[str, int], warehouse: Any) -> None:
    [(columns,)] = warehouse.query(
        "SELECT facts -> 'columns' FROM ledger.event WHERE what = 'staged' AND delivery_id = %s",
        (loaded["census_bureau/decennial_v1"],),
    )
    assert "date_of_birth" in columns
    assert not {"age", "housing_type", "relationship_to_reference_person", "year"} & set(columns)


def test_profiles_say_how_sources_list_people(site: Path) -> None:
    model = with_partner_habits(read_model())
    assert [model.duplicates(partner) for partner in ("census_bureau", "wic", "ssa", "snap")] == [
        "rare",
        "rare",
        "common",
        "rare",
    ]


def test_people_agree_with_the_truth(
    loaded: dict[str, int], shared_data: Path, warehouse: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = link_people(warehouse.linkage, read_model())
    person = dict(warehouse.query("SELECT source_person_id, person_id FROM identity.person_link"))
    truth: dict[str, str] = {}
    for name, _ in EXTRACTS.values():
        with (shared_data / "pseudopeople" / "truth" / f"{name}.csv").open(encoding="utf-8", newline="") as text:
            truth |= {row["row_id"]: row["simulant_id"] for row in csv.DictReader(text)}
    assert person.keys() == truth.keys()
    right = _pairs(Counter((person[row], truth[row]) for row in truth))
    precision = right / _pairs(Counter(person.values()))
    recall = right / _pairs(Counter(truth.values()))
    f1 = 2 * precision * recall / (precision + recall)
    with capsys.disabled():
        print(f"\npseudopeople: P {precision:.4f}  R {recall:.4f}  F1 {f1:.4f}  people {summary.people:,}")
    assert f1 >= 0.97


def _pairs(groups: Counter[Any]) -> int:
    """Pairs of rows within groups, from the groups' sizes."""
    return sum(size * (size - 1) // 2 for size in groups.values())
