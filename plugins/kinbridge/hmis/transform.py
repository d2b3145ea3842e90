"""The transforms of an HMIS export: where the rows of each file go in the common schema. Pure: from facts to SQL.

Client, Enrollment, Exit, Services and Event have homes there. What these do not take over, and every other file, goes
to `supplementary_record` as the partner said it. Names, numbers and days that stand elsewhere are never repeated there.
"""

from __future__ import annotations

from collections.abc import Iterator

from kinbridge.hmis.contract import Export
from kinbridge.hmis.names import snake
from kinbridge.hmis.standard import SpecColumn
from kinbridge.hmis.structure import DELETED, EVENT_DATES, key_of

PROGRAM = "homeless_services"
# A function of Postgres takes a hundred arguments.
PAIRS = 40
RACES = {
    "AmIndAKNative": "AmericanIndianOrAlaskaNative",
    "Asian": "Asian",
    "BlackAfAmerican": "BlackOrAfricanAmerican",
    "HispanicLatinaeo": "HispanicOrLatino",
    "HispanicLatinao": "HispanicOrLatino",
    "MidEastNAfrican": "MiddleEasternOrNorthAfrican",
    "NativeHIPacific": "NativeHawaiianOrPacificIslander",
    "White": "White",
}
GENDERS = ("Woman", "Man", "NonBinary", "CulturallySpecific", "Transgender", "Questioning", "DifferentIdentity")
# What stands in a table of its own. ExportID changes with every export, and would make every row look changed.
ELSEWHERE = {
    "": {"ExportID", DELETED, "PersonalID", "EnrollmentID"},
    "Client": {"FirstName", "MiddleName", "LastName", "NameSuffix", "SSN", "DOB"},
    "Enrollment": {"HouseholdID"},
}
# Coordinated entry: referrals to a project that houses people or keeps them housed.
TO_HOUSING = ("1", "10", "11", "12", "13", "14", "15", "17", "18")


def transform_text(export: Export, file: str) -> str:
    """The whole transform of one file."""
    statements = [*_homes(export.columns(file)), _supplementary(export.columns(file))]
    return f"-- {file}.csv of HMIS CSV {export.version} to the common schema.\n\n" + "\n\n".join(statements) + "\n"


def targets(file: str) -> tuple[str, ...]:
    """The tables to which the file's rows go, the last one being that for everything else."""
    homes = {
        "Client": ("person",),
        "Enrollment": ("program_enrollment", "family_member"),
        "Exit": ("program_exit",),
        "Services": ("service_event",),
        "Event": ("referral",),
    }
    return (*homes.get(file, ()), "supplementary_record")


def content_columns(columns: tuple[SpecColumn, ...]) -> list[SpecColumn]:
    """The columns that go to `supplementary_record.content`."""
    file = columns[0].file
    elsewhere = ELSEWHERE[""] | ELSEWHERE.get(file, set()) | {key_of(columns).name, EVENT_DATES.get(file, "")}
    return [column for column in columns if column.name not in elsewhere]


def _homes(columns: tuple[SpecColumn, ...]) -> Iterator[str]:
    match columns[0].file:
        case "Client":
            yield _person({column.name for column in columns})
        case "Enrollment":
            yield _ENROLLMENT
            yield _FAMILY
        case "Exit":
            yield _EXIT
        case "Services":
            yield _SERVICE
        case "Event":
            yield _REFERRAL.replace("{housing}", ", ".join(f"'{code}'" for code in TO_HOUSING))


def _supplementary(columns: tuple[SpecColumn, ...]) -> str:
    names, file = {column.name for column in columns}, columns[0].file
    day = EVENT_DATES.get(file)
    given = [
        "    source.line_no",
        f"    '{file}' AS source_table",
        f"    source.{snake(key_of(columns).name)} AS source_record_id",
    ]
    if "PersonalID" in names:
        given.append("    source.personal_id AS source_person_id")
    if "EnrollmentID" in names:
        given.append("    source.enrollment_id AS source_enrollment_id")
    if day is not None:
        given.append(f"    source.{snake(day)} AS event_date")
    listed = [f"            '{column.name}', source.{snake(column.name)}" for column in content_columns(columns)]
    parts = [
        "        JSONB_BUILD_OBJECT(\n" + ",\n".join(listed[first : first + PAIRS]) + "\n        )"
        for first in range(0, len(listed), PAIRS)
    ]
    given.append("    JSONB_STRIP_NULLS(\n" + " ||\n".join(parts) + "\n    ) AS content")
    head = (
        f"-- target: supplementary_record\n-- grain: one row per {key_of(columns).name}\n-- sources: source\nSELECT\n"
    )
    return head + ",\n".join(given) + "\nFROM source;"


def _person(names: set[str]) -> str:
    races = [(name, code) for name, code in RACES.items() if name in names]
    chosen = " +\n".join(f"            CASE WHEN source.{snake(name)} = '1' THEN 1 ELSE 0 END" for name, _ in races)
    cases = "\n".join(f"        WHEN source.{snake(name)} = '1' THEN '{code}'" for name, code in races)
    return f"""\
-- target: person
-- grain: one row per client
-- sources: source
-- A name, number or day counts as far as its data quality goes: full names and numbers only, since others would link
-- wrongly; a day of birth that is approximate still tells an age.
SELECT
    source.line_no,
    source.personal_id AS source_person_id,
    CASE WHEN source.name_data_quality = '1' THEN source.first_name END AS first_name,
    CASE WHEN source.name_data_quality = '1' THEN source.middle_name END AS middle_name,
    CASE WHEN source.name_data_quality = '1' THEN source.last_name END AS last_name,
    CASE WHEN source.name_data_quality = '1' THEN source.name_suffix END AS name_suffix,
    CASE WHEN source.dob_data_quality IN ('1', '2') THEN source.dob END AS birth_date,
{_sex(names)},
    CASE WHEN source.ssn_data_quality = '1' AND source.ssn ~ '^[0-9]{{9}}$' THEN source.ssn END AS ssn,
    CASE
        WHEN (
{chosen}
        ) > 1 THEN 'MultiracialAndOrMultiethnic'
{cases}
        ELSE 'RaceAndEthnicityUnknown'
    END AS race_ethnicity
FROM source;"""


def _sex(names: set[str]) -> str:
    """FY2026 asks for sex; before, only for gender, of which one answer alone that is woman or man is taken for it."""
    if "Sex" in names:
        return """\
    CASE source.sex
        WHEN '0' THEN 'Female'
        WHEN '1' THEN 'Male'
        ELSE 'NotSelected'
    END AS sex"""
    given = [name for name in GENDERS if name in names]
    count = " +\n".join(f"            CASE WHEN source.{snake(name)} = '1' THEN 1 ELSE 0 END" for name in given)
    return f"""\
    CASE
        WHEN (
{count}
        ) <> 1 THEN 'NotSelected'
        WHEN source.woman = '1' THEN 'Female'
        WHEN source.man = '1' THEN 'Male'
        ELSE 'NotSelected'
    END AS sex"""


_ENROLLMENT = f"""\
-- target: program_enrollment
-- grain: one row per enrollment
-- sources: source
-- Its exit stands in Exit.csv: table program_exit.
SELECT
    source.line_no,
    source.enrollment_id AS source_enrollment_id,
    source.personal_id AS source_person_id,
    source.household_id AS source_family_id,
    '{PROGRAM}' AS program,
    source.entry_date
FROM source;"""

_FAMILY = """\
-- target: family_member
-- grain: one row per household and client; of several enrollments in one household the last one tells the role
-- sources: source
-- Only those of whom it is told that they are the head, the head's partner or the head's child: other members may be
-- children or not.
SELECT DISTINCT ON (source.household_id, source.personal_id)
    source.line_no,
    source.household_id AS source_family_id,
    source.personal_id AS source_person_id,
    CASE source.relationship_to_hoh WHEN '2' THEN 'child' ELSE 'adult' END AS family_role
FROM source
WHERE
    source.household_id IS NOT NULL
    AND source.relationship_to_hoh IN ('1', '2', '3')
ORDER BY
    source.household_id,
    source.personal_id,
    source.entry_date DESC,
    source.line_no;"""

_EXIT = """\
-- target: program_exit
-- grain: one row per exit
-- sources: source
-- The standard asks where people went rather than why they left; a reason is told by few projects.
SELECT
    source.line_no,
    source.exit_id AS source_exit_id,
    source.enrollment_id AS source_enrollment_id,
    source.personal_id AS source_person_id,
    source.exit_date,
    CASE
        WHEN source.project_completion_status = '1' THEN 'completed'
        WHEN source.project_completion_status = '2' THEN 'declined'
        WHEN source.project_completion_status = '3' THEN 'other'
        WHEN source.destination = '30' THEN 'lost_contact'
    END AS exit_reason
FROM source;"""

_SERVICE = f"""\
-- target: service_event
-- grain: one row per service
-- sources: source
SELECT
    source.line_no,
    source.services_id AS source_service_event_id,
    source.personal_id AS source_person_id,
    source.enrollment_id AS source_enrollment_id,
    '{PROGRAM}' AS program,
    source.date_provided AS service_date,
    'other' AS service_type
FROM source;"""

_REFERRAL = f"""\
-- target: referral
-- grain: one row per event that refers to a project which houses people or keeps them housed
-- sources: source
SELECT
    source.line_no,
    source.event_id AS source_referral_id,
    source.personal_id AS source_person_id,
    '{PROGRAM}' AS referring_program,
    'housing' AS referred_to_program,
    source.event_date AS referral_date,
    'housing' AS referral_reason
FROM source
WHERE source.event IN ({{housing}});"""
