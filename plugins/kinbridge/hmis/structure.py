"""How the standard's files hang together: keys, references, orders of dates, what a column means for its row. Pure.

A column is structural when a row is lost without it: its key, what it refers to, and the day that its table needs. Of
all other columns a mistake costs the value and not the row.
"""

from __future__ import annotations

from collections.abc import Iterable

from kinbridge.hmis.standard import SpecColumn

# Column, and the file whose key it is. ExportID is left out: one bad line in Export would set the whole export aside.
REFERENCES = {
    "OrganizationID": "Organization",
    "ProjectID": "Project",
    "ResProjectID": "Project",
    "PersonalID": "Client",
    "EnrollmentID": "Enrollment",
    "AssessmentID": "Assessment",
}
# The day of which a row of the file speaks.
EVENT_DATES = {
    "Enrollment": "EntryDate",
    "Exit": "ExitDate",
    "IncomeBenefits": "InformationDate",
    "HealthAndDV": "InformationDate",
    "EmploymentEducation": "InformationDate",
    "Disabilities": "InformationDate",
    "Services": "DateProvided",
    "CurrentLivingSituation": "InformationDate",
    "Assessment": "AssessmentDate",
    "Event": "EventDate",
    "YouthEducationStatus": "InformationDate",
}
DELETED = "DateDeleted"
DIRECT = frozenset({"FirstName", "MiddleName", "LastName", "NameSuffix", "SSN"})
QUASI = frozenset({"DOB"})
STAFF = frozenset(
    {"UserFirstName", "UserLastName", "UserPhone", "UserEmail", "SourceContactFirst", "SourceContactLast"}
)
# Health, violence, and what is told of bodies and beliefs.
SENSITIVE_FILES = frozenset({"HealthAndDV", "Disabilities"})
# What stands for no number; the standard's own way is an x for each digit that is not known.
SSN_PLACEHOLDERS = (*(str(digit) * 9 for digit in range(10)), "123456789")


def key_of(columns: tuple[SpecColumn, ...]) -> SpecColumn:
    """The file's key: the standard puts each row's own id first."""
    return columns[0]


def references_of(columns: tuple[SpecColumn, ...], chosen: Iterable[str]) -> list[tuple[SpecColumn, str]]:
    """The columns that refer to another of the `chosen` files, each with that file."""
    known, file = set(chosen), columns[0].file
    return [
        (column, REFERENCES[column.name]) for column in columns if REFERENCES.get(column.name, file) in known - {file}
    ]


def date_orders(columns: tuple[SpecColumn, ...]) -> list[tuple[str, str]]:
    """Pairs of columns of which the first is no later than the second: start and end, made and changed, and result."""
    names = [column.name for column in columns if column.type in {"date", "datetime"}]
    pairs = [(name, name.replace("Start", "End")) for name in names if "StartDate" in name]
    pairs += [("DateCreated", "DateUpdated"), ("EventDate", "ResultDate")]
    return [(earlier, later) for earlier, later in pairs if {earlier, later} <= set(names)]


def is_structural(column: SpecColumn, columns: tuple[SpecColumn, ...]) -> bool:
    """Whether a row is lost without a sound value here."""
    return (
        column == key_of(columns)
        or (column.name in REFERENCES and column.required)
        or column.name == EVENT_DATES.get(column.file)
        or column.name == DELETED
    )


def classification(column: SpecColumn) -> str:
    """How a contract classifies the column."""
    if column.name in DIRECT | QUASI | STAFF or column.name == "PersonalID":
        return "confidential"
    if column.name == DELETED or column.name.endswith("ID"):
        return "internal"
    return "restricted" if column.file in SENSITIVE_FILES else "internal"
