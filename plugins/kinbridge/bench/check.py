"""How long `kinbridge check` takes over many declarations: agreements by the hundred, feeds with contract, transform,
crosswalk and suite.

Declarations are written to a folder of their own with the project's standards, and checked in a process of its own, as
the command does. Everything is fictional; nothing of a site is read or changed.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kinbridge.errors import KinbridgeError
from kinbridge.settings import home

COLUMNS = 20
# What is not written here is the project's own.
SHARED = ("standards", "catalogue.yaml", "linkage", "office.yaml", "laws", "retention.yaml", "incidents", "sql")

_PROPERTY = """\
      - name: {name}
        logicalType: {kind}
        classification: internal
        description: A column.
{more}"""
_CONTRACT = """\
kind: DataContract
apiVersion: v3.1.0
id: {partner}.{feed}
version: 1.0.0
status: active
schema:
  - name: rows
    logicalType: object
    properties:
{properties}
customProperties:
  - property: delivery
    value: {{ filePattern: '^{feed}_(?P<period>\\d{{6}})\\.csv$' }}
  - property: intake
    value: {{ maxBadRowShare: 0.1 }}
"""
_TRANSFORM = """\
-- target: person
-- grain: one row per person
-- sources: source, codes_sex
SELECT
    source.line_no,
    source.person_id AS source_person_id,
    source.first_name,
    source.last_name,
    source.born AS birth_date,
    codes_sex.sex
FROM source
LEFT JOIN codes_sex
    ON source.sex_code = codes_sex.code;

-- target: person_address
-- grain: one row per person, the last that the file has
-- sources: source
SELECT DISTINCT ON (source.person_id)
    source.line_no,
    source.person_id AS source_person_id,
    source.city,
    source.zip AS postal_code
FROM source
ORDER BY
    source.person_id,
    source.line_no DESC;
"""
_AGREEMENT = """\
id: dsa-{partner}-{number}
version: {version}
title: Agreement over {feed}
kind: data_use_agreement
parties:
  contributor: {{ code: {partner}, name: Office of {partner} }}
  recipient: {{ code: data_office, name: Data Office }}
use_cases: [bench_counts]
feeds:
  {partner}/{feed}:
    elements:
{elements}
legal_basis:
  - {{ citation: A law, what: What it allows }}
effective: {first}
expires: {last}
signatures:
  - {{ party: {partner}, name: A, title: T, authority: A statute, signed: 2014-12-01 }}
  - {{ party: data_office, name: B, title: T, authority: A statute, signed: 2014-12-02 }}
transmission: {{ channel: sftp }}
retention: {{ files_days: 30, records_months: 36 }}
destruction: {{ within_days: 30, method: deleted }}
redisclosure: To nobody.
breach: {{ contact: Desk, email: desk@example.org, within_hours: 24 }}
consent: {{ rule: not_required }}
small_cells: {{ minimum: 11 }}
"""
_USE_CASE = """\
id: bench_counts
status: approved
question: How many?
goals: [Know how many]
benefits: {p0: Knows how many}
population: Children
elements:
  - person.birth_date
  - person.sex
  - family_member.family_role
  - program_enrollment.program
  - program_enrollment.entry_date
  - program_enrollment.exit_date
  - program_exit.exit_date
  - early_intervention.service_start_date
  - early_intervention.exit_date
outputs: [children_served]
consent: As each agreement says.
"""
_PROFILE = """\
partner: {partner}
name: Office of {partner}
contacts:
  - {{ role: desk, name: A Desk, email: desk@example.org }}
"""


@dataclass(frozen=True)
class CheckBench:
    """What was measured: how many declarations, seconds of the whole command by the clock and of a processor, and how
    many problems it named. On a machine that does other things, the second of the two compares."""

    agreements: int
    feeds: int
    files: int
    seconds: float
    processor_seconds: float
    problems: int

    def to_text(self) -> str:
        """One line for people."""
        return (
            f"kinbridge check over {self.agreements:,} agreements and {self.feeds:,} feeds ({self.files:,} files): "
            f"{self.seconds:.1f} s ({self.processor_seconds:.1f} s of a processor), {self.problems:,} problem(s) named"
        )


def run_check(agreements: int, feeds: int) -> CheckBench:
    """Write the declarations, check them, and remove them.

    Nobody has decided on them, so that every agreement and the use case is a problem that check names (KB-G04), and
    nothing else should be. Raises `KinbridgeError` KB-B01 when the command itself fails.
    """
    folder = Path(tempfile.mkdtemp(prefix="kinbridge-bench-"))
    try:
        write_declarations(folder, agreements, feeds)
        began, busy = time.perf_counter(), _processor()
        problems = int(_worker(folder, "check"))
        seconds, processor = time.perf_counter() - began, _processor() - busy
        files = sum(1 for path in (folder / "include").rglob("*") if path.is_file())
    finally:
        shutil.rmtree(folder)
    return CheckBench(agreements, feeds, files, seconds, processor, problems)


def write_declarations(folder: Path, agreements: int, feeds: int) -> None:
    """Write a project with so many agreements and feeds, five feeds a partner; versions of one agreement follow each
    other by the year. Suites are compiled."""
    include = folder / "include"
    include.mkdir(parents=True)
    for name in SHARED:
        if (home() / "include" / name).exists():
            (include / name).symlink_to(home() / "include" / name)
    (folder / "great_expectations").mkdir()
    shutil.copy(home() / "great_expectations" / "great_expectations.yml", folder / "great_expectations")
    for number in range(feeds):
        _write_feed(include, f"p{number // 5}", f"rows_{number % 5}_v1")
    _write(include / "use_cases" / "bench_counts.yaml", _USE_CASE)
    for number in range(agreements):
        at = number % feeds
        _write_agreement(include, f"p{at // 5}", f"rows_{at % 5}_v1", number // feeds, at)
    _worker(folder, "suites")


def _write_feed(include: Path, partner: str, feed: str) -> None:
    folder = include / "partners" / partner / "feeds" / feed
    properties = "".join(_properties()).rstrip("\n")
    _write(folder / "contract.odcs.yaml", _CONTRACT.format(partner=partner, feed=feed, properties=properties))
    _write(folder / "transform.sql", _TRANSFORM)
    _write(folder / "codes" / "sex.csv", "code,sex,note\nF,Female,\nM,Male,\n")
    _write(folder.parents[1] / "profile.yaml", _PROFILE.format(partner=partner))


def _properties() -> list[str]:
    key = "        required: true\n        primaryKey: true\n"
    born = "        logicalTypeOptions: { format: MM/dd/yyyy, maximum: asOf }\n"
    coded = "        customProperties: [{ property: codeSet, value: codes/sex.csv }]\n"
    zip_code = "        logicalTypeOptions: { pattern: '^[0-9]{5}$' }\n"
    known = [("person_id", "string", key), ("born", "date", born), ("sex_code", "string", coded)]
    known += [("zip", "string", zip_code), ("first_name", "string", ""), ("last_name", "string", "")]
    known += [("city", "string", "")]
    more = [(f"more_{number}", "string", "") for number in range(COLUMNS - len(known))]
    return [_PROPERTY.format(name=name, kind=kind, more=text) for name, kind, text in [*known, *more]]


def _write_agreement(include: Path, partner: str, feed: str, year: int, number: int) -> None:
    names = ["person_id", "born", "sex_code", "zip", "first_name", "last_name", "city"]
    names += [f"more_{n}" for n in range(COLUMNS - len(names) - 3)]
    text = _AGREEMENT.format(
        partner=partner,
        feed=feed,
        number=number,
        version=f"{year + 1}.0.0",
        elements="\n".join(f"      - {name}" for name in names),
        first=date(2015 + year, 1, 1),
        last=date(2015 + year, 12, 31),
    )
    _write(include / "agreements" / f"{partner}_{number}_{year}.yaml", text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# The project's folder is where the package finds itself; a worker is told another one before it reads anything.
_WORKER = """
import sys
from pathlib import Path
from kinbridge import settings
settings.HOME = Path(sys.argv[1])
if sys.argv[2] == "suites":
    from kinbridge.check.suites import compile_suites
    print(len(compile_suites()))
else:
    from kinbridge.check.declarations import check
    print(len(check()))
"""


def _processor() -> float:
    """Seconds that ended child processes have spent on a processor."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _worker(folder: Path, what: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KINBRIDGE_")}
    done = subprocess.run(
        [sys.executable, "-c", _WORKER, str(folder), what],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise KinbridgeError("KB-B01", status=done.returncode)
    return done.stdout.strip()
