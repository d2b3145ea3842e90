"""What columns hold: types, dates, keys, codes; and that nothing but common codes leaves the sample."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest
import yaml

from kinbridge.check.decisions import decision_problems
from kinbridge.draft.contract import file_pattern, scalar
from kinbridge.draft.names import classification, column_names, may_hold_codes
from kinbridge.draft.profile import Field, profile
from kinbridge.draft.suggest import suggestions
from kinbridge.draft.values import dates_of
from kinbridge.draft.write import write_draft
from kinbridge.errors import KinbridgeError
from kinbridge.standards import common_schema


def one(header: str, values: list[str]) -> Field:
    rows = [[str(number), value] for number, value in enumerate(values)]
    return profile(rows, ["row_id", header]).fields[1]


@pytest.mark.parametrize(
    ("header", "values", "kind", "form"),
    [
        ("made", ["01/31/2026", "02/28/2026"], "date", "MM/dd/yyyy"),
        ("made", ["31/01/2026", "28/02/2026"], "date", "dd/MM/yyyy"),
        ("made", ["2026-01-31", "", "N/A"], "date", "yyyy-MM-dd"),
        ("made", ["20260131", "20260228"], "date", "yyyyMMdd"),
        ("made", ["01312026", "02282026"], "date", "MMddyyyy"),
        ("made", ["2026-01-31"] * 30 + ["soon"], "date", "yyyy-MM-dd"),
        ("made", ["2026-02-30", "2026-02-31"], "string", None),
        ("minutes", ["5", "480", "-3"], "integer", None),
        ("rate", ["5", "4.80", ""], "number", None),
        ("member_id", ["5", "480"], "string", None),
        ("zip", ["10001", "20002"], "string", None),
        ("amount", ["007", "012"], "string", None),
        ("count", ["1234567890", "1234567891"], "string", None),
        ("race_cd", ["1", "2"], "string", None),
        ("anything", ["", ""], "string", None),
    ],
)
def test_types_and_formats(header: str, values: list[str], kind: str, form: str | None) -> None:
    found = one(header, values)
    assert (found.logical_type, found.date_format) == (kind, form)


def test_days_that_could_be_months_are_told_as_a_doubt() -> None:
    assert one("made", ["01/02/2026", "03/04/2026"]).other_format == "dd/MM/yyyy"
    assert one("made", ["01/02/2026", "03/14/2026"]).other_format is None
    assert set(dates_of("01022026")) == {"MMddyyyy", "ddMMyyyy"}


@pytest.mark.parametrize(
    ("header", "counts", "codes", "rare"),
    [
        ("sex", {"F": 30, "M": 25}, ("F", "M"), 0),
        ("sex", {"F": 300, "M": 250, "X": 19}, ("F", "M"), 1),
        ("sex", {"F": 30, "M": 19}, (), 0),
        ("status", {f"S{n}": 5 for n in range(40)}, (), 0),
        ("first_name", {"Liam": 50, "Emma": 50}, (), 0),
        ("C7", {"Abby": 50, "Abigail": 50, "Bill": 60}, (), 0),
        ("city", {"Troy": 50, "Rome": 50}, (), 0),
        ("kind", {"123456789": 50, "987654321": 50}, (), 0),
        ("kind", {"a@b.org": 50, "c@d.org": 50}, (), 0),
    ],
)
def test_codes_are_common_and_about_no_person(
    header: str, counts: dict[str, int], codes: tuple[str, ...], rare: int
) -> None:
    found = one(header, [value for value, count in counts.items() for _ in range(count)])
    assert (found.codes, found.rare_codes) == (codes, rare)


def test_the_key_is_the_fewest_columns_that_tell_rows_apart() -> None:
    rows = [[f"C{n // 3}", f"M{n % 3}", "x"] for n in range(300)]
    found = profile([*rows, rows[0]], ["case_id", "member_id", "note"])
    assert (found.key, found.key_fits) == (("case_id", "member_id"), True)
    assert profile([["1", "a"], ["2", "b"]], ["id", "c"]).key == ("id",)


def test_names_are_ours_and_no_two_alike() -> None:
    given = ["Member ID", "memberId", "line_no", "2nd", "été", "???", "a__typed", "x" * 80, "DOB", "dob "]
    names = column_names(given)
    assert names[:7] == ["member_id", "member_id_2", "line_no_column", "c_2nd", "ete", "column_6", "a_typed"]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) == 50


def test_guesses_from_names() -> None:
    assert [classification(n) for n in ("CHILD_DOB", "phone1", "diagnosis", "visit_mode")] == [
        "confidential",
        "confidential",
        "restricted",
        "internal",
    ]
    assert [may_hold_codes(n) for n in ("county_name", "visitor_name", "LNAME", "sex", "addr1")] == [
        True,
        False,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("name", "element"),
    [
        ("DOB", "person.birth_date"),
        ("child_first_name", "person.first_name"),
        ("LNAME", "person.last_name"),
        ("gender", "person.sex"),
        ("zip", "person_address.postal_code"),
        ("street", "person_address.address_line"),
        ("elig_beg", "program_enrollment.entry_date"),
        ("member_id", "person.source_person_id"),
        ("race_cd", "person.race_ethnicity"),
        ("referral_reason", "referral.referral_reason"),
    ],
)
def test_columns_sound_like_elements(name: str, element: str) -> None:
    assert suggestions(name, common_schema())[0].name == element


def test_columns_that_sound_like_nothing_get_no_suggestion() -> None:
    assert [n for n in ("monthly_income", "c_7", "visitor_badge") if suggestions(n, common_schema())] == []


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("wic_202607.csv", r"^wic_(?P<period>\d{6})\.csv$"),
        ("wic 20260731 (1).csv", r"^wic\ (?P<period>\d{6})\d{2}\ \(1\)\.csv$"),
        ("wic.csv", r"^wic\.csv$"),
        ("wic_999999.csv", r"^wic_999999\.csv$"),
    ],
)
def test_file_names_become_patterns(name: str, pattern: str) -> None:
    assert file_pattern(name)[0] == pattern


@pytest.mark.parametrize("text", ["no", "On", "a: b", "a #b", "é", "x\ty", "'", '"', "-", "1", "a\u2028b", "ok name"])
def test_scalars_come_back_as_they_were(text: str) -> None:
    assert yaml.safe_load(f"{{k: {scalar(text)}, l: 1}}") == {"k": text, "l": 1}


def test_only_the_header_and_common_codes_leave_the_sample(tmp_path: Path) -> None:
    """Every value of the sample but its two codes is a word of its own; none may be found in what was written."""
    chance = random.Random(3)

    def canary() -> str:
        return "zq" + "".join(chance.choice("bcdfghjklm") for _ in range(8))

    headers = ["member_id", "FIRST", "street", "remarks", "status", "dob", "ssn", "C9"]
    rows = [
        [canary(), canary(), f"{n} {canary()}", canary(), "AB" if n % 2 else "CD", "1987-03-17", "900-12-3456", "zqx"]
        for n in range(200)
    ]
    rows[7][4], rows[8][5], rows[9][6] = "zqrare", "1900-01-01", "999-99-9999"
    sample = tmp_path / "members.csv"
    sample.write_text("\n".join(",".join(row) for row in [headers, *rows]), encoding="utf-8")
    written = write_draft("atlas/members_v1", sample, out=tmp_path / "include", today=date(2026, 12, 5))
    text = "\n".join(path.read_text(encoding="utf-8") for path in written.files)
    assert "zq" not in text
    assert "1987" not in text
    assert "900-12" not in text
    codes = next(path for path in written.files if path.name == "status.csv")
    assert [line[:2] for line in codes.read_text(encoding="utf-8").splitlines()[1:]] == ["AB", "CD"]
    assert "1 rare one(s)" in text
    assert '["999-99-9999"]' in text
    # Each mark is found by the check, where it stands.
    marked = [
        (path, number)
        for path in written.files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "DECIDE:" in line
    ]
    assert sorted((p.path, p.line) for p in decision_problems(tmp_path / "include")) == sorted(marked)
    assert sorted((p.path, p.line) for p in written.decisions) == sorted(marked)
    assert {p.code for p in written.decisions} == {"KB-P10"}


def test_nothing_is_written_over(tmp_path: Path) -> None:
    sample = tmp_path / "s.csv"
    sample.write_text("id,name\n1,x\n", encoding="utf-8")
    write_draft("atlas/s_v1", sample, out=tmp_path, today=date(2026, 1, 31))
    with pytest.raises(KinbridgeError, match="KB-P13"):
        write_draft("atlas/s_v1", sample, out=tmp_path, today=date(2026, 1, 31))
    profile_file = tmp_path / "partners" / "atlas" / "profile.yaml"
    profile_file.write_text("mine", encoding="utf-8")
    write_draft("atlas/s_v2", sample, out=tmp_path, today=date(2026, 1, 31))
    assert profile_file.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("feed", "text", "code"),
    [
        ("Atlas/s_v1", "id\n1\n", "KB-P12"),
        ("atlas/s", "id\n1\n", "KB-P12"),
        ("atlas/s_v1", "id,ID\n1,2\n", "KB-P11"),
        ("atlas/s_v1", None, "KB-P01"),
    ],
)
def test_what_cannot_be_drafted_is_refused(tmp_path: Path, feed: str, text: str | None, code: str) -> None:
    sample = tmp_path / "s.csv"
    if text is not None:
        sample.write_text(text, encoding="utf-8")
    with pytest.raises(KinbridgeError, match=code):
        write_draft(feed, sample, out=tmp_path / "out", header=True, today=date(2026, 1, 1))
    assert not (tmp_path / "out").exists()
