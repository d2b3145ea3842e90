"""The six file layouts: partner, file name, dialect and columns; writing rows in a dialect and reading them back."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as pa_csv

from kinbridge.simulator.arrays import Array

_EPOCH = np.datetime64("1900-01-01", "D")
_LAST = np.datetime64("2100-01-01", "D")


@dataclass(frozen=True)
class Layout:
    """One feed's file. `date` is a strftime pattern; `key` and `group` name columns; `held` is blanked in a bad file.

    `group` is the family or the like: at most one row of a group is spoilt per file, so that rules do not meet.
    `multiline` is a column whose text may hold line breaks.
    """

    feed: str
    file: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    group: str
    held: str
    date: str
    delimiter: str = ","
    encoding: str = "utf-8"
    newline: str = "\n"
    quoting: int = csv.QUOTE_MINIMAL
    multiline: str = ""

    @property
    def partner(self) -> str:
        """The partner's short name."""
        return self.feed.split("/")[0]

    def file_name(self, period: str) -> str:
        """The file of a month given as yyyyMM."""
        return self.file.format(period=period)

    def dates(self, days: Array) -> Array:
        """The days as this file writes them; empty text for NaT."""
        table: Array = np.append(_spelled(self.date), "")
        place = (days - _EPOCH).astype("int64")
        return np.asarray(table[np.where(np.isnat(days), len(table) - 1, place)], dtype=object)

    def write(self, rows: pd.DataFrame, path: Path) -> None:
        """Write rows of text, byte for byte alike for alike rows.

        pyarrow writes most dialects several times faster; quotes where needed are what it cannot write.
        """
        if self.quoting == csv.QUOTE_MINIMAL:
            rows.to_csv(
                path,
                sep=self.delimiter,
                index=False,
                columns=list(self.columns),
                encoding=self.encoding,
                lineterminator=self.newline,
            )
            return
        body = write_plain(rows[list(self.columns)], self.delimiter, quoted=self.quoting == csv.QUOTE_ALL)
        text = body.decode("utf-8").replace("\n", self.newline)
        path.write_bytes(text.encode(self.encoding))

    def read(self, path: Path) -> pd.DataFrame:
        """Read a file of this layout back as text."""
        rows: pd.DataFrame = pd.read_csv(
            path,
            sep=self.delimiter,
            dtype=str,
            keep_default_na=False,
            encoding=self.encoding,
            quoting=self.quoting,  # type: ignore[call-overload]
        )
        return rows

    def line_numbers(self, rows: pd.DataFrame) -> Array:
        """The first physical line of each row (the header is line 1)."""
        extra: Array = np.zeros(len(rows), dtype=np.int64)
        if self.multiline:
            extra = rows[self.multiline].astype(str).str.count("\n").to_numpy().astype(np.int64)
        return 2 + np.arange(len(rows)) + np.cumsum(extra) - extra


def write_plain(rows: pd.DataFrame, delimiter: str, *, quoted: bool = False) -> bytes:
    """Rows of text with a header, all quoted or none; UTF-8 and LF. Raises where a value would need a quote."""
    style = "all_valid" if quoted else "none"
    header = delimiter.join(f'"{name}"' if quoted else str(name) for name in rows.columns) + "\n"
    if rows.empty:
        # pyarrow 26 writes whatever its buffer holds for a batch without rows; hence also one batch below.
        return header.encode()
    table = pa.Table.from_pandas(rows.astype("str"), preserve_index=False).combine_chunks()
    sink = pa.BufferOutputStream()
    options = pa_csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style=style)
    pa_csv.write_csv(table, sink, options)
    return header.encode() + bytes(sink.getvalue())


_TABLES: dict[str, Array] = {}


def _spelled(pattern: str) -> Array:
    """All days from 1900 to 2099 in a pattern: dates are looked up, since formatting each would take long."""
    if pattern not in _TABLES:
        days = pd.DatetimeIndex(np.arange(_EPOCH, _LAST))
        _TABLES[pattern] = days.strftime(pattern).to_numpy(dtype=object)
    return _TABLES[pattern]


def _columns(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LAYOUTS = {
    layout.feed: layout
    for layout in (
        Layout(
            feed="home_visiting/enrollments_v1",
            file="enrollments_{period}.csv",
            columns=_columns(
                "enrollment_id family_id child_id child_first_name child_middle_name child_last_name"
                " child_birth_date child_sex child_race_ethnicity child_language caregiver_id caregiver_first_name"
                " caregiver_last_name caregiver_birth_date caregiver_phone caregiver_email address_line city state"
                " postal_code county_fips model entry_date exit_date exit_reason case_notes"
            ),
            key=("enrollment_id", "child_id"),
            group="family_id",
            held="child_last_name",
            date="%Y-%m-%d",
            multiline="case_notes",
        ),
        Layout(
            feed="home_visiting/visits_v1",
            file="visits_{period}.csv",
            columns=_columns(
                "visit_id enrollment_id family_id child_id visit_date visit_mode duration_minutes visitor_name"
            ),
            key=("visit_id",),
            group="visit_id",
            held="visit_date",
            date="%Y-%m-%d",
        ),
        Layout(
            feed="home_visiting/referrals_v1",
            file="referrals_{period}.csv",
            columns=_columns("referral_id family_id child_id referral_date referred_to referral_reason referral_notes"),
            key=("referral_id",),
            group="referral_id",
            held="referral_date",
            date="%Y-%m-%d",
            multiline="referral_notes",
        ),
        Layout(
            feed="medicaid/eligibility_v1",
            file="eligibility_{period}.txt",
            columns=_columns(
                "MEMBER_ID CASE_ID SSN LAST_NAME FIRST_NAME MIDDLE_INIT DOB SEX RACE_CD LANG_CD ADDR1 CITY STATE ZIP"
                " COUNTY_CD AID_CAT ELIG_BEG ELIG_END MONTHLY_INCOME DIAGNOSIS_CD"
            ),
            key=("MEMBER_ID", "ELIG_BEG"),
            group="CASE_ID",
            held="LAST_NAME",
            date="%Y%m%d",
            delimiter="|",
            encoding="cp1252",
            newline="\r\n",
            quoting=csv.QUOTE_NONE,
        ),
        Layout(
            feed="snap/participation_v1",
            file="participation_{period}.tsv",
            columns=_columns(
                "case_number individual_id relationship ssn first_name last_name dob sex ethnicity race language street"
                " city zip county_name benefit_start benefit_end household_size benefit_amount"
            ),
            key=("case_number", "individual_id", "benefit_start"),
            group="case_number",
            held="last_name",
            date="%m-%d-%Y",
            delimiter="\t",
            encoding="utf-8-sig",
            quoting=csv.QUOTE_NONE,
        ),
        Layout(
            feed="early_intervention/services_v1",
            file="ei_services_{period}.csv",
            columns=_columns(
                "ei_id child_first_name child_last_name child_dob gender race_ethnicity home_language parent_first_name"
                " parent_last_name parent_phone street city zip county referral_date referral_source evaluation_date"
                " ifsp_date service_start_date service_type exit_date exit_reason eligibility_diagnosis"
            ),
            key=("ei_id",),
            group="ei_id",
            held="child_last_name",
            date="%m/%d/%Y",
            newline="\r\n",
            quoting=csv.QUOTE_ALL,
        ),
    )
}
