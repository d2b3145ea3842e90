"""The truth beside the files agrees with the files, and life in it looks like life."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from kinbridge.simulator import SimulationSummary, simulate
from kinbridge.simulator.layout import LAYOUTS

MONTHS = ("202607", "202608", "202609")
IDS = {
    "home_visiting/enrollments_v1": ("child_id", "caregiver_id"),
    "medicaid/eligibility_v1": ("MEMBER_ID",),
    "snap/participation_v1": ("individual_id",),
    "early_intervention/services_v1": ("ei_id",),
}
FAMILY = {
    "home_visiting/enrollments_v1": "family_id",
    "medicaid/eligibility_v1": "CASE_ID",
    "snap/participation_v1": "case_number",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SimulationSummary]:
    folder = tmp_path_factory.mktemp("lives")
    return folder, simulate(folder, 1500, 11, len(MONTHS), held=None)


@pytest.fixture(scope="module")
def out(run: tuple[Path, SimulationSummary]) -> Path:
    return run[0]


def truth(out: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(out / "truth" / f"{name}.csv", dtype=str, keep_default_na=False)


def clean(out: Path, feed: str, period: str) -> pd.DataFrame:
    """The rows of a file that break no rule."""
    layout = LAYOUTS[feed]
    path = out / layout.partner / layout.file_name(period)
    rows = layout.read(path)
    spoilt = truth(out, "spoilt")
    lines = spoilt.loc[spoilt["file"] == path.name, "line_no"].astype(int)
    return rows[~pd.Series(layout.line_numbers(rows)).isin(lines)]


def people_of(out: Path) -> pd.DataFrame:
    people = truth(out, "people")
    assert not people.duplicated(["partner", "source_person_id"]).any()
    return people.set_index(["partner", "source_person_id"])


def test_every_person_of_every_file_is_told_and_no_other(out: Path) -> None:
    people = truth(out, "people")
    for partner in people["partner"].unique():
        named: set[str] = set()
        for feed, columns in IDS.items():
            if feed.startswith(f"{partner}/"):
                for period in MONTHS:
                    rows = LAYOUTS[feed].read(out / partner / LAYOUTS[feed].file_name(period))
                    named |= set(rows[list(columns)].to_numpy().ravel()) - {""}
        assert named == set(people.loc[people["partner"] == partner, "source_person_id"])


def test_a_person_is_in_one_family_and_a_case_is_one_family(out: Path) -> None:
    people = people_of(out)
    assert (people.groupby("true_person_id")["true_family_id"].nunique() == 1).all()
    assert (people.groupby("true_person_id")["is_child"].nunique() == 1).all()
    for feed, family in FAMILY.items():
        partner = feed.split("/")[0]
        for period in MONTHS:
            rows = clean(out, feed, period)
            true = people.loc[[(partner, i) for i in rows[IDS[feed][0]]], "true_family_id"].to_numpy()
            assert (pd.Series(true).groupby(rows[family].to_numpy()).nunique() == 1).all()


@pytest.mark.parametrize("feed", ["medicaid/eligibility_v1", "snap/participation_v1"])
def test_participation_is_what_the_monthly_files_say(out: Path, feed: str) -> None:
    people, served = people_of(out), truth(out, "participation")
    partner = feed.split("/", maxsplit=1)[0]
    for period in MONTHS:
        rows = clean(out, feed, period)
        told = set(people.loc[[(partner, i) for i in rows[IDS[feed][0]]], "true_person_id"])
        month = f"{period[:4]}-{period[4:]}-01"
        true = set(served.loc[(served["program"] == partner) & (served["month"] == month), "true_person_id"])
        assert told <= true
        # Rows that break a rule are missing above: few, so that counts of a hundred stay within two percent.
        assert len(true - told) <= 0.025 * len(true)


def test_participation_is_what_spans_of_the_last_snapshot_say(out: Path) -> None:
    people, served = people_of(out), truth(out, "participation")
    for feed, person, begin, end in (
        ("home_visiting/enrollments_v1", "child_id", "entry_date", "exit_date"),
        ("early_intervention/services_v1", "ei_id", "service_start_date", "exit_date"),
    ):
        partner = feed.split("/")[0]
        rows = clean(out, feed, MONTHS[-1])
        start = pd.to_datetime(rows[begin], format=LAYOUTS[feed].date)
        stop = pd.to_datetime(rows[end], format=LAYOUTS[feed].date).fillna(pd.Timestamp("2100-01-01"))
        for month in ("2026-07-01", "2026-08-01", "2026-09-01"):
            last = pd.Timestamp(month) + pd.offsets.MonthEnd(0)
            within = (start <= last) & (stop >= pd.Timestamp(month))
            told = set(people.loc[[(partner, i) for i in rows.loc[within, person]], "true_person_id"])
            true = set(served.loc[(served["program"] == partner) & (served["month"] == month), "true_person_id"])
            assert told <= true
            assert len(true - told) <= 0.03 * len(true) + 1


def test_under_six_and_county_follow_from_the_children(out: Path) -> None:
    served, children = truth(out, "participation"), truth(out, "children").set_index("true_person_id")
    rows = served[served["month"] == "2026-09-01"]
    birth = pd.to_datetime(rows["true_person_id"].map(children["birth_date"]))
    sixth = birth + pd.DateOffset(years=6)
    assert ((sixth > pd.Timestamp("2026-09-30")) == (rows["child_under_six"] == "true")).all()
    known = birth.notna()
    assert (rows.loc[known, "county_fips"] == rows.loc[known, "true_person_id"].map(children["county_fips"])).all()


def test_referrals_name_the_service_that_followed(out: Path) -> None:
    referrals = truth(out, "referrals")
    became = referrals["became_service"] == "true"
    assert became.any()
    assert (~became).any()
    assert (referrals.loc[became, "service_start_date"] >= referrals.loc[became, "referral_date"]).all()
    assert (referrals.loc[~became, "service_start_date"] == "").all()
    assert not became[referrals["referred_to"].isin(["WIC", "HOUSING", "MENTAL_HEALTH"])].any()
    people = truth(out, "people")
    ei = people[people["partner"] == "early_intervention"].set_index("true_person_id")["source_person_id"]
    services = clean(out, "early_intervention/services_v1", MONTHS[-1]).set_index("ei_id")["service_start_date"]
    to_ei = referrals[became & (referrals["referred_to"] == "EI")]
    said = pd.to_datetime(to_ei["true_person_id"].map(ei).map(services)).dropna()
    assert len(said) > 0
    assert (said == pd.to_datetime(to_ei.loc[said.index, "service_start_date"])).all()


def test_noise_is_as_frequent_as_in_real_extracts_and_leaves_enough_to_link_by(out: Path) -> None:
    people, noise = truth(out, "people"), truth(out, "noise")
    names = noise[noise["column"].isin(["first_name", "last_name", "birth_date"])]
    share = len(names.drop_duplicates(["partner", "source_person_id"])) / len(people)
    assert 0.10 <= share <= 0.15
    slips = names[~names["kind"].isin(["former_name"])]
    assert not slips.duplicated(["partner", "source_person_id"]).any(), "at most one slip per person and partner"
    assert {"nickname", "first_name_typo", "last_name_typo", "other_surname", "day_and_month_swapped"} <= set(
        names["kind"]
    )
    assert ((noise["last_month"] < "2026-09-01") & noise["kind"].isin(["nickname", "last_name_typo"])).any()
    both = people.merge(noise, on=["partner", "source_person_id"])
    moved_away = set(both.loc[both["kind"] == "old_address", "true_person_id"])
    assert moved_away


def test_names_of_one_person_agree_unless_noise_is_told(out: Path) -> None:
    people, noise = people_of(out), truth(out, "noise")
    said = []
    for feed, (person, first, birth) in {
        "medicaid/eligibility_v1": ("MEMBER_ID", "FIRST_NAME", "DOB"),
        "snap/participation_v1": ("individual_id", "first_name", "dob"),
    }.items():
        partner = feed.split("/")[0]
        rows = clean(out, feed, MONTHS[0]).drop_duplicates(person)
        noisy = noise[(noise["partner"] == partner) & noise["column"].isin(["first_name", "birth_date"])]
        rows = rows[~rows[person].isin(noisy["source_person_id"])]
        plain = rows[first].str.normalize("NFKD").str.encode("ascii", "ignore").str.decode("ascii").str.upper()
        said.append(
            pd.DataFrame(
                {
                    "person": people.loc[[(partner, i) for i in rows[person]], "true_person_id"].to_numpy(),
                    "first": plain.str.replace("đ", "d").to_numpy(),
                    "birth": pd.to_datetime(rows[birth], format=LAYOUTS[feed].date).to_numpy(),
                }
            )
        )
    pairs = said[0].merge(said[1], on="person")
    assert len(pairs) > 500
    assert (pairs["first_x"] == pairs["first_y"]).all()
    assert (pairs["birth_x"] == pairs["birth_y"]).all()


def test_life_has_twins_moves_returns_births_and_changes_of_name(out: Path) -> None:
    children = truth(out, "children")
    assert children.duplicated(["true_family_id", "birth_date"]).any(), "twins"
    assert (children["birth_date"] >= "2026-07-01").any(), "births"
    files = [clean(out, "medicaid/eligibility_v1", period).drop_duplicates("MEMBER_ID") for period in MONTHS]
    first, last = (frame.set_index("MEMBER_ID") for frame in (files[0], files[-1]))
    stayed = first.index.intersection(last.index)
    assert (first.loc[stayed, "ADDR1"] != last.loc[stayed, "ADDR1"]).any(), "moves"
    assert (first.loc[stayed, "COUNTY_CD"] != last.loc[stayed, "COUNTY_CD"]).any(), "moves to another county"
    assert (first.loc[stayed, "LAST_NAME"] != last.loc[stayed, "LAST_NAME"]).any(), "changes of name"
    assert set(first.index) - set(last.index), "exits"
    assert set(last.index) - set(first.index), "entries"
    enrollments = clean(out, "home_visiting/enrollments_v1", MONTHS[-1])
    assert enrollments.groupby("child_id")["enrollment_id"].nunique().max() > 1, "returns"
    assert (enrollments["entry_date"] < "2025-01-01").any(), "history"
    names = first["LAST_NAME"]
    assert names.str.contains("-").any()
    assert names.str.contains(" ").any()
    assert names.value_counts(normalize=True).iloc[0] < 0.03
    homes = first.groupby(["ADDR1", "CITY"])["CASE_ID"].nunique()
    assert (homes > 1).any(), "families that share an address"


def test_summary_counts_what_was_written(run: tuple[Path, SimulationSummary]) -> None:
    out, summary = run
    assert summary.source_persons == len(truth(out, "people"))
    assert summary.children == len(truth(out, "children"))
    for name, rows in summary.rows.items():
        layout = next(la for la in LAYOUTS.values() if name == f"{la.partner}/{la.file_name(name[-10:-4])}")
        assert len(layout.read(out / name)) == rows
    assert summary.spoilt_rows == len(truth(out, "spoilt").drop_duplicates(["file", "line_no"]))


def test_overlap_of_programs_looks_like_low_income_families(out: Path) -> None:
    served = truth(out, "participation")
    month = served[served["month"] == "2026-09-01"]
    share = month.groupby("program")["true_family_id"].nunique() / 1500
    assert 0.48 < share["medicaid"] < 0.64
    assert 0.30 < share["snap"] < 0.44
    assert 0.09 < share["home_visiting"] < 0.18
    assert 0.03 < share["early_intervention"] < 0.10
    snap, medicaid = (set(month.loc[month["program"] == p, "true_family_id"]) for p in ("snap", "medicaid"))
    assert len(snap & medicaid) > 0.8 * len(snap)
