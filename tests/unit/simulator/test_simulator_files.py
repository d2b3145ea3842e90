"""The files of a simulation: their bytes, their rows, and that `truth/spoilt.csv` says exactly which rows break a rule.

The rules are written down here a second time, from the agreed layouts, without a look at how the simulator spoils.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter, defaultdict
from datetime import date, datetime
from pathlib import Path

import pytest

from kinbridge.simulator import simulate, spoil_delivery

FAMILIES, MONTHS = 400, 3
PERIODS = {"202607": date(2026, 7, 31), "202608": date(2026, 8, 31), "202609": date(2026, 9, 30)}
RACES = {
    "AmericanIndianOrAlaskaNative",
    "Asian",
    "BlackOrAfricanAmerican",
    "HispanicOrLatino",
    "MiddleEasternOrNorthAfrican",
    "NativeHawaiianOrPacificIslander",
    "White",
    "MultiracialAndOrMultiethnic",
    "RaceAndEthnicityUnknown",
}
COUNTIES = "Alder|Birchwood|Cedar Falls|Dogwood|Elmhurst|Fernley|Glenhaven|Hawthorn|Ironwood|Juniper|Kestrel|Larkspur"
EI_RACES = {
    "White",
    "Black or African American",
    "Hispanic/Latino",
    "Asian",
    "American Indian",
    "Pacific Islander",
    "Middle Eastern",
    "Two or more",
    "Unknown",
}
LANGUAGES = {"English", "Spanish", "Somali", "Vietnamese", "Arabic", "Other"}
ZIP = r"\d{5}(-\d{4})?"
# What each file promises: date format, required columns, birth date, codes (with severity), forms, order of dates.
FEEDS = {
    "home_visiting/enrollments_v1": {
        "file": r"enrollments_(\d{6})\.csv",
        "date": "%Y-%m-%d",
        "required": "enrollment_id family_id child_id child_first_name child_last_name child_birth_date caregiver_id"
        " caregiver_first_name caregiver_last_name address_line city postal_code county_fips model entry_date",
        "dates": "child_birth_date entry_date exit_date caregiver_birth_date",
        "birth": "child_birth_date",
        "critical": {"model": {"HFA", "NFP", "PAT", "EHS"}, "county_fips": {f"990{n:02d}" for n in range(1, 24, 2)}},
        "codes": {
            "child_sex": {"Male", "Female", "NotSelected"},
            "child_race_ethnicity": RACES,
            "child_language": {"eng", "spa", "som", "vie", "ara", "hmn", "tgl", "hin", "chi"},
            "exit_reason": {"COMPLETED", "MOVED", "DECLINED", "LOST_CONTACT", "OTHER"},
        },
        "forms": {
            "caregiver_phone": r"\(\d{3}\) \d{3}-\d{4}",
            "caregiver_email": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
            "postal_code": ZIP,
        },
        "order": [("child_birth_date", "entry_date"), ("entry_date", "exit_date")],
        "key": "enrollment_id child_id",
    },
    "home_visiting/visits_v1": {
        "file": r"visits_(\d{6})\.csv",
        "date": "%Y-%m-%d",
        "required": "visit_id enrollment_id family_id child_id visit_date visit_mode",
        "dates": "visit_date",
        "codes": {"visit_mode": {"InPerson", "Virtual", "Phone"}},
        "key": "visit_id",
    },
    "home_visiting/referrals_v1": {
        "file": r"referrals_(\d{6})\.csv",
        "date": "%Y-%m-%d",
        "required": "referral_id family_id child_id referral_date referred_to",
        "dates": "referral_date",
        "critical": {"referred_to": {"EI", "SNAP", "MEDICAID", "WIC", "MENTAL_HEALTH", "HOUSING"}},
        "codes": {
            "referral_reason": {
                "DEVELOPMENTAL_CONCERN",
                "FOOD",
                "INSURANCE",
                "NUTRITION",
                "MATERNAL_DEPRESSION",
                "HOUSING",
                "OTHER",
            }
        },
        "key": "referral_id",
    },
    "medicaid/eligibility_v1": {
        "file": r"eligibility_(\d{6})\.txt",
        "date": "%Y%m%d",
        "required": "MEMBER_ID CASE_ID LAST_NAME FIRST_NAME DOB SEX ADDR1 CITY STATE ZIP COUNTY_CD AID_CAT ELIG_BEG"
        " ELIG_END",
        "dates": "DOB ELIG_BEG ELIG_END",
        "birth": "DOB",
        "critical": {"AID_CAT": {"CH", "PW", "PA", "DI"}, "COUNTY_CD": {f"{n:02d}" for n in range(1, 13)}},
        "codes": {
            "SEX": set("MFU"),
            "RACE_CD": set("123456789"),
            "LANG_CD": {"EN", "SP", "SO", "VI", "AR", "OT"},
        },
        "forms": {"SSN": r"\d{3}-\d{2}-\d{4}", "ZIP": ZIP},
        "order": [("ELIG_BEG", "ELIG_END")],
        "key": "MEMBER_ID ELIG_BEG",
    },
    "snap/participation_v1": {
        "file": r"participation_(\d{6})\.tsv",
        "date": "%m-%d-%Y",
        "required": "case_number individual_id relationship first_name last_name dob sex street city zip county_name"
        " benefit_start benefit_end household_size",
        "dates": "dob benefit_start benefit_end",
        "birth": "dob",
        "critical": {"relationship": {"HOH", "SPOUSE", "CHILD", "OTHER"}, "county_name": set(COUNTIES.split("|"))},
        "codes": {"sex": set("129"), "ethnicity": set("HN"), "race": set("WBIAPMO"), "language": LANGUAGES},
        "forms": {"ssn": r"\d{9}", "zip": ZIP},
        "order": [("benefit_start", "benefit_end")],
        "key": "case_number individual_id benefit_start",
    },
    "early_intervention/services_v1": {
        "file": r"ei_services_(\d{6})\.csv",
        "date": "%m/%d/%Y",
        "required": "ei_id child_first_name child_last_name child_dob gender street city zip county referral_date",
        "dates": "child_dob referral_date evaluation_date ifsp_date service_start_date exit_date",
        "birth": "child_dob",
        "critical": {"county": {"AL", "BI", "CE", "DO", "EL", "FE", "GL", "HA", "IR", "JU", "KE", "LA"}},
        "codes": {
            "gender": {"Male", "Female", "X"},
            "race_ethnicity": EI_RACES,
            "home_language": LANGUAGES,
            "referral_source": {"HV", "MD", "PA", "CC", "OT"},
            "service_type": {"SPEECH", "OT", "PT", "DEV", "OTHER"},
            "exit_reason": {"AGED_OUT", "COMPLETED", "WITHDRAWN", "MOVED", "INELIGIBLE"},
        },
        "forms": {"zip": ZIP},
        "order": [
            ("referral_date", "evaluation_date"),
            ("evaluation_date", "ifsp_date"),
            ("ifsp_date", "service_start_date"),
        ],
        "key": "ei_id",
    },
}
DIALECTS = {
    "home_visiting": {"encoding": "utf-8", "delimiter": ",", "quoting": csv.QUOTE_MINIMAL},
    "medicaid": {"encoding": "cp1252", "delimiter": "|", "quoting": csv.QUOTE_NONE},
    "snap": {"encoding": "utf-8-sig", "delimiter": "\t", "quoting": csv.QUOTE_NONE},
    "early_intervention": {"encoding": "utf-8", "delimiter": ",", "quoting": csv.QUOTE_ALL},
}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder, FAMILIES, 7, MONTHS)
    return folder


def read(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows with their first physical line, read by the standard library."""
    dialect = DIALECTS[path.parent.name]
    text = path.read_bytes().decode(str(dialect["encoding"]))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=str(dialect["delimiter"]), quoting=dialect["quoting"])
    header = next(reader)
    rows, before = [], reader.line_num
    for cells in reader:
        rows.append((before + 1, dict(zip(header, cells, strict=True))))
        before = reader.line_num
    return rows


def table(out: Path, name: str) -> list[dict[str, str]]:
    with (out / "truth" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def day(text: str, pattern: str) -> date | None:
    try:
        return datetime.strptime(text, pattern).date()
    except ValueError:
        return None


def broken(feed: str, row: dict[str, str], as_of: date, known: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The rules that one row breaks by itself, with their severity."""
    rules = FEEDS[feed]
    found: set[tuple[str, str]] = set()
    found |= {(f"{c.lower()}.presence", "critical") for c in rules["required"].split() if not row[c]}
    days = {c: day(row[c], rules["date"]) for c in rules["dates"].split()}
    found |= {(f"{c.lower()}.type", "critical") for c, d in days.items() if row[c] and d is None}
    if born := days.get(rules.get("birth", "")):
        out_of_range = not date(1900, 1, 2) <= born <= as_of
        found |= {(f"{rules['birth'].lower()}.range", "critical")} if out_of_range else set()
    for severity in ("critical", "codes"):
        for column, codes in rules.get(severity, {}).items():
            if row[column] and row[column] not in codes:
                found.add((f"{column.lower()}.code_set", "warning" if severity == "codes" else "critical"))
    for column, form in rules.get("forms", {}).items():
        if row[column] and not re.fullmatch(form, row[column]):
            found.add((f"{column.lower()}.format", "warning"))
    ssn = row.get("SSN", row.get("ssn", "")).replace("-", "")
    found |= {("ssn.placeholder", "warning")} if ssn in {"999999999", "000000000"} else set()
    for earlier, later in rules.get("order", []):
        one, two = days[earlier], days[later]
        if one and two and one > two:
            found.add((f"{earlier.lower()}__{later.lower()}.date_order", "critical"))
    if (minutes := row.get("duration_minutes")) and not 5 <= int(minutes) <= 480:
        found.add(("duration_minutes.range", "critical"))
    if feed in {"home_visiting/visits_v1", "home_visiting/referrals_v1"}:
        stranger = row["child_id"] and row["family_id"] and (row["family_id"], row["child_id"]) not in known
        found |= {("family_id__child_id.reference", "critical")} if stranger else set()
    return found


def findings(out: Path) -> Counter[tuple[str, str, int, str, str]]:
    """Every finding in every file, as (feed, file, line, rule, severity)."""
    found: Counter[tuple[str, str, int, str, str]] = Counter()
    known: set[tuple[str, str]] = set()
    for period, as_of in PERIODS.items():
        for feed, rules in FEEDS.items():
            partner = feed.split("/")[0]
            name = rules["file"].replace(r"(\d{6})", period).replace("\\", "")
            seen: set[tuple[str, ...]] = set()
            by_key: dict[tuple[str, ...], list[int]] = defaultdict(list)
            of_line: dict[int, set[tuple[str, str]]] = {}
            rows = read(out / partner / name)
            for line, row in rows:
                content = tuple(row.values())
                if content in seen:
                    found[feed, name, line, "duplicate", "none"] += 1
                    continue
                seen.add(content)
                key = tuple(row[c] for c in rules["key"].split())
                if all(key):
                    by_key[key].append(line)
                of_line[line] = broken(feed, row, as_of, known)
            rule = f"{'__'.join(rules['key'].lower().split())}.unique"
            for lines in by_key.values():
                if len(lines) > 1:
                    for line in lines:
                        of_line[line].add((rule, "critical"))
            for line, broke in of_line.items():
                for one, severity in broke:
                    found[feed, name, line, one, severity] += 1
            if feed == "home_visiting/enrollments_v1":
                known |= {
                    (row["family_id"], row["child_id"])
                    for line, row in rows
                    if not any(severity == "critical" for _, severity in of_line.get(line, ()))
                }
    return found


def test_spoilt_rows_are_exactly_those_that_break_a_rule(out: Path) -> None:
    told = Counter(
        (r["feed"], r["file"], int(r["line_no"]), r["rule"], r["severity"]) for r in table(out, "spoilt.csv")
    )
    found = findings(out)
    assert found - told == Counter(), "rows that break a rule and are not told"
    assert told - found == Counter(), "rows that are told and break no rule"


@pytest.mark.parametrize(("seed", "families"), [(1, 60), (2, 900)])
def test_spoilt_rows_are_exact_for_other_sizes_and_seeds(tmp_path: Path, seed: int, families: int) -> None:
    simulate(tmp_path, families, seed, MONTHS, held=None)
    told = Counter(
        (r["feed"], r["file"], int(r["line_no"]), r["rule"], r["severity"]) for r in table(tmp_path, "spoilt.csv")
    )
    assert told == findings(tmp_path)


def test_every_kind_of_rule_is_broken_somewhere(tmp_path: Path) -> None:
    simulate(tmp_path, 6000, 3, 1, held=None)
    spoilt = table(tmp_path, "spoilt.csv")
    kinds = {r["rule"].split(".")[-1] for r in spoilt}
    assert kinds == {
        "presence",
        "type",
        "range",
        "code_set",
        "format",
        "placeholder",
        "date_order",
        "reference",
        "unique",
        "duplicate",
    }
    assert {r["fate"] for r in spoilt} == {"quarantined", "kept", "duplicate"}
    hows = {(r["feed"], r["how"]) for r in spoilt}
    assert len({h for f, h in hows if f == "medicaid/eligibility_v1"}) >= 24
    for feed in FEEDS:
        rows = len(read(next((tmp_path / feed.split("/")[0]).glob(FEEDS[feed]["file"].split("(")[0] + "*"))))
        bad = {r["line_no"] for r in spoilt if r["feed"] == feed and r["severity"] == "critical"}
        assert len(bad) <= max(0.03 * rows, 2), feed


def test_one_seed_gives_one_set_of_bytes(out: Path, tmp_path: Path) -> None:
    def digests(folder: Path) -> dict[str, str]:
        return {
            str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*"))
            if p.is_file()
        }

    again, other = tmp_path / "again", tmp_path / "other"
    simulate(again, FAMILIES, 7, MONTHS)
    simulate(other, FAMILIES, 8, MONTHS)
    assert digests(again) == digests(out)
    assert len(digests(out)) == 6 * MONTHS + 6
    assert not set(digests(other).values()) & set(digests(out).values())


def test_dialects_to_the_byte(out: Path) -> None:
    enrollments = (out / "home_visiting/enrollments_202609.csv").read_bytes()
    assert enrollments.startswith(b"enrollment_id,family_id,child_id,child_first_name,")
    assert b"\r" not in enrollments
    assert b'","' not in enrollments, "quotes only where needed"
    assert re.search(rb',"[^"]*\n[^"]*"\n', enrollments), "a note with a line break"
    eligibility = (out / "medicaid/eligibility_202609.txt").read_bytes()
    assert eligibility.startswith(b"MEMBER_ID|CASE_ID|SSN|LAST_NAME|FIRST_NAME|MIDDLE_INIT|DOB|SEX|RACE_CD|LANG_CD|")
    assert (
        eligibility.count(b"\n") == eligibility.count(b"\r\n") == len(read(out / "medicaid/eligibility_202609.txt")) + 1
    )
    assert any(byte >= 0x80 for byte in eligibility)
    with pytest.raises(UnicodeDecodeError):
        eligibility.decode("utf-8")
    participation = (out / "snap/participation_202609.tsv").read_bytes()
    assert participation.startswith(b"\xef\xbb\xbfcase_number\tindividual_id\trelationship\tssn\t")
    assert b"\r" not in participation
    assert b'"' not in participation
    services = (out / "early_intervention/ei_services_202609.csv").read_bytes()
    assert services.startswith(b'"ei_id","child_first_name","child_last_name","child_dob","gender",')
    assert all(line.startswith(b'"') and line.endswith(b'"') for line in services.rstrip(b"\r\n").split(b"\r\n"))


def test_identifiers_are_plainly_fictional(out: Path) -> None:
    spoilt = {(r["file"], int(r["line_no"])) for r in table(out, "spoilt.csv")}
    for path in [p for p in out.rglob("*_2026*") if p.parent.name != "truth"]:
        for line, row in read(path):
            if (path.name, line) in spoilt:
                continue
            for column, value in row.items():
                if not value:
                    continue
                name = column.lower()
                if name == "ssn":
                    assert value.startswith("9")
                if name.endswith("email"):
                    assert value.endswith("@example.org")
                if name.endswith("phone"):
                    assert re.sub(r"\D", "", value)[3:8] == "55501"
                if name in {"zip", "postal_code"}:
                    assert value.startswith("987")


def test_snapshots_accumulate_and_coverage_lies_within_the_month(out: Path) -> None:
    for feed, column in (("home_visiting/enrollments", "child_id"), ("early_intervention/ei_services", "ei_id")):
        earlier = {r[column] for _, r in read(out / f"{feed}_202607.csv")}
        later = {r[column] for _, r in read(out / f"{feed}_202609.csv")}
        # A spoilt row may have lost its id.
        assert len(earlier - later) <= 3
        assert len(later) > len(earlier)
    for period, as_of in PERIODS.items():
        for _, row in read(out / f"snap/participation_{period}.tsv"):
            start, end = day(row["benefit_start"], "%m-%d-%Y"), day(row["benefit_end"], "%m-%d-%Y")
            if start and end and start <= end:
                assert start.replace(day=1) == as_of.replace(day=1)
                assert end <= as_of


def test_a_held_delivery_is_bad_in_one_column_only(tmp_path: Path) -> None:
    simulate(tmp_path, 300, 4, 2, held=None)
    path = tmp_path / "medicaid/eligibility_202608.txt"
    before, told = path.read_bytes().split(b"\r\n"), len(table(tmp_path, "spoilt.csv"))
    count = spoil_delivery(path, 0.12)
    after = path.read_bytes().split(b"\r\n")
    changed = [n for n, (one, two) in enumerate(zip(before, after, strict=True), 1) if one != two]
    added = [r for r in table(tmp_path, "spoilt.csv") if "much of the file" in r["how"]]
    assert count == len(changed) == round(0.12 * (len(before) - 2))
    assert [int(r["line_no"]) for r in added] == changed
    assert {r["rule"] for r in added} == {"last_name.presence"}
    assert len(table(tmp_path, "spoilt.csv")) == told + count
    with pytest.raises(ValueError, match="no layout"):
        spoil_delivery(tmp_path / "truth/people.csv", 0.1)


@pytest.mark.parametrize("families", [1, 2, 8])
def test_few_families_give_files_with_few_or_no_rows(tmp_path: Path, families: int) -> None:
    simulate(tmp_path, families, families, 1)
    for feed, rules in FEEDS.items():
        path = tmp_path / feed.split("/")[0] / rules["file"].replace(r"(\d{6})", "202607").replace("\\", "")
        assert len(read(path)) <= 12 * families
    assert table(tmp_path, "spoilt.csv") == []
    assert len(table(tmp_path, "children.csv")) >= families


def test_arguments_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        simulate(tmp_path, 0, 1, 1)
    with pytest.raises(ValueError, match="held feed"):
        simulate(tmp_path, 5, 1, 1, held="home_visiting/enrollments_v1")
