"""A site with one named extract for a university, the children that it is about, and people who decide on it.

Feeds are the project's own; agreements, use case, charter and extract are the site's. `Study` walks a release's way.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pysequoia import decrypt
from tests.support.approving import approve
from tests.support.consents import FEED_OF, LONG_AGO, PROVENANCE, Scene, person_id
from tests.support.declared import site_of
from tests.support.openpgp import PARTNER, fingerprint, write_public

from kinbridge.bundled import sftp as bundled_sftp
from kinbridge.decision.ballot import cast
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.governance.charter import KINDS
from kinbridge.release.build import build_release
from kinbridge.release.deliver import deliver_release
from kinbridge.release.requests import Request, request_release, take_down_approvals
from kinbridge.release.states import ReleaseState
from kinbridge.settings import home
from kinbridge.warehouse.connection import transaction

DAY = date(2026, 11, 2)
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
RECIPIENT = "state_university"
NAME = "reach_study"
# The university's key: it stands in for a partner's in the tests of OpenPGP.
KEY = PARTNER
RECORDS = ("person", "person_address", "program_enrollment")

CHARTER = """\
version: 1.0.0
effective: 2019-01-01
bodies:
  board: { name: Board, quorum: 1, members: [ada, ben, cleo] }
members:
  ada: { name: Ada Aldous, partner: medicaid, email: ada@example.org, login: ada, from: 2019-01-01 }
  ben: { name: Ben Brandt, partner: home_visiting, email: ben@example.org, login: ben, from: 2019-01-01 }
  cleo: { name: Cleo Carver, partner: data_office, email: cleo@example.org, login: cleo, from: 2019-01-01 }
needs:
"""
NEED = "  {kind}: {{ body: board, rule: approvals, approvals: {count}, different: people, days: 30 }}\n"
FEEDS = {
    "medicaid": ("medicaid/eligibility_v1", "member_id, dob, sex, county_cd, elig_beg, elig_end"),
    "home_visiting": (
        "home_visiting/enrollments_v1",
        "enrollment_id, child_id, child_birth_date, child_sex, county_fips, entry_date, exit_date",
    ),
}
AGREEMENT = """\
id: dsa-{partner}
version: 1.0.0
title: Agreement
kind: data_use_agreement
parties:
  contributor: {{ code: {partner}, name: The {partner} agency }}
  recipient: {{ code: data_office, name: Data Office }}
use_cases: [reach]
feeds:
  {feed}: {{ elements: [{elements}] }}
legal_basis:
  - {{ citation: A law, what: Disclosure }}
effective: 2025-01-01
expires: 2028-12-31
signatures:
  - {{ party: {partner}, name: A, title: T, authority: U, signed: 2024-12-01 }}
  - {{ party: data_office, name: B, title: T, authority: U, signed: 2024-12-02 }}
transmission: {{ channel: sftp }}
retention: {{ files_days: 30, records_months: 36, releases_days: 300 }}
destruction: {{ within_days: 30, method: deleted }}
redisclosure: {{ recipients: [state_university], what: To the study. }}
breach: {{ contact: Desk, email: desk@example.org, within_hours: 24 }}
consent: {{ rule: opt_out, what: Families are told. }}
small_cells: {{ minimum: 11 }}
"""
RELEASE_AGREEMENT = """\
id: dra-university
version: 1.0.0
title: Release agreement
kind: release_agreement
parties:
  contributor: {{ code: data_office, name: Data Office }}
  recipient: {{ code: state_university, name: State University }}
releases:
  reach:
    elements: [person.birth_month, person.sex, person.county_fips, participation.program, participation.entry_date]
legal_basis:
  - {{ citation: 45 CFR 164.514(e), what: A limited data set }}
  - {{ citation: 42 CFR 431.302, what: A study for the plan }}
effective: 2025-01-01
expires: 2028-12-31
signatures:
  - {{ party: data_office, name: B, title: T, authority: U, signed: 2024-12-02 }}
  - {{ party: state_university, name: C, title: T, authority: U, signed: 2024-12-02 }}
transmission:
  channel: sftp
  openpgp: {{ encrypted_to: [{key}] }}
  outbox: outbox
retention: {{ releases_days: 365 }}
destruction: {{ within_days: 30, method: deleted }}
redisclosure: To nobody.
breach: {{ contact: Desk, email: desk@example.org, within_hours: 24 }}
consent: {{ rule: not_required }}
small_cells: {{ minimum: 11 }}
"""
USE_CASE = """\
id: reach
status: approved
question: Whom do the programs reach?
goals: [Know]
benefits: { medicaid: Knows, home_visiting: Knows }
population: Children
elements:
  - person.birth_date
  - person.sex
  - person_address.county_fips
  - program_enrollment.program
  - program_enrollment.entry_date
outputs: [children_served]
consent: As each agreement says.
"""
RECIPIENT_PROFILE = """\
recipient: state_university
name: State University
address: 1 Campus Way, Jefferson
contacts:
  - { role: desk, name: A Desk, email: desk@university.example.org }
"""
EXTRACT = """\
id: reach_study
version: 1.0.0
title: Reach of programs
recipient: state_university
use_case: reach
agreement: dra-university
purpose: A study of reach.
grain: person
codes: random
feeds: [medicaid/eligibility_v1]
population: reach_study.sql
columns:
  birth_year:
    { element: person.birth_month, form: year, quasi_identifier: true, label: Year of birth }
  county:
    { element: person.county_fips, form: county, quasi_identifier: true, label: County, code_set: county_fips }
until: 2027-12-31
"""
SQL = """\
-- grain: one row per person
-- sources: integrated.person
SELECT
    person.person_id,
    person.birth_month AS birth_year,
    person.county_fips AS county
FROM integrated.person AS person
WHERE person.birth_month >= DATE '2020-01-01'
"""


@contextmanager
def study_site(folder: Path) -> Iterator[Path]:
    """The site's include folder, everything in it approved."""
    with site_of(folder) as include:
        for name in ("partners", "consent"):
            if (home_include() / name).exists():
                (include / name).symlink_to(home_include() / name)
        (include / "sql" / "release").mkdir(parents=True)
        for name in ("integrated", "mart", "parameters.yaml"):
            (include / "sql" / name).symlink_to(home_include() / "sql" / name)
        for name in ("agreements", "use_cases", "recipients", "releases", "governance"):
            (include / name).mkdir(exist_ok=True)
        needs = "".join(NEED.format(kind=kind, count=2 if kind == "release" else 1) for kind in KINDS)
        (include / "governance" / "charter.yaml").write_text(CHARTER + needs, encoding="utf-8")
        write_declarations(include)
        yield include


def home_include() -> Path:
    """The project's own declarations, whatever site a test stands on."""
    return Path(__file__).resolve().parents[2] / "include"


def write_declarations(include: Path, *, approved: bool = True) -> None:
    """Write every declaration as it is when nothing is wrong, and approve them."""
    for partner, (feed, elements) in FEEDS.items():
        text = AGREEMENT.format(partner=partner, feed=feed, elements=elements)
        (include / "agreements" / f"{partner}.yaml").write_text(text, encoding="utf-8")
    text = RELEASE_AGREEMENT.format(key=fingerprint(KEY))
    (include / "agreements" / "university.yaml").write_text(text, encoding="utf-8")
    (include / "use_cases" / "reach.yaml").write_text(USE_CASE, encoding="utf-8")
    (include / "recipients" / f"{RECIPIENT}.yaml").write_text(RECIPIENT_PROFILE, encoding="utf-8")
    (include / "releases" / f"{NAME}.yaml").write_text(EXTRACT, encoding="utf-8")
    (include / "sql" / "release" / f"{NAME}.sql").write_text(SQL, encoding="utf-8")
    write_public(include, RECIPIENT, [KEY.extract_certificate()])
    if approved:
        approve(include)


def change(path: Path, old: str, new: str) -> None:
    """Replace a part of a declaration that is there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, (path.name, old)
    path.write_text(text.replace(old, new), encoding="utf-8")


@dataclass
class Study:
    """One warehouse, one recipient's account, one site; the steps of a release, and what the recipient finds."""

    warehouse: Any
    server: Any
    include: Path
    scene: Scene
    requests: int = 0

    @property
    def endpoint(self) -> SftpEndpoint:
        """The recipient's account."""
        return SftpEndpoint(
            partner=RECIPIENT,
            host=self.server.host,
            port=self.server.port,
            user=RECIPIENT,
            host_key=self.server.host_key,
            key_file=self.server.keys[RECIPIENT],
        )

    @property
    def outbox(self) -> Path:
        """The recipient's outbox, as a folder of this machine."""
        return Path(self.server.folder) / "jails" / RECIPIENT / "outbox"

    def declare(self, what: str, old: str, new: str, *, approved: bool = True) -> None:
        """Change a declaration, and have it approved again unless not."""
        change(self.include / what, old, new)
        if approved:
            approve(self.include)

    def children(self, group: str, count: int, *partners: str, born: str, county: str) -> list[str]:
        """So many children, named for their group."""
        names = [f"{group}{number}" for number in range(count)]
        ids = [person_id(name) for name in names]
        said = (
            ("first_name", "last_name", "birth_date"),
            ("county_fips",),
            ("source_enrollment_id", "program", "entry_date"),
        )
        self.warehouse.query("INSERT INTO identity.person SELECT id::uuid, 1 FROM unnest(%s) AS t (id)", (ids,))
        for partner in partners or ("medicaid",):
            delivery = self._delivery(FEED_OF[partner])
            keys = [f"{name}@{partner}" for name in names]
            self.warehouse.query(
                "INSERT INTO identity.person_link SELECT %s, key, id::uuid, 1 FROM unnest(%s, %s) AS t (key, id)",
                (partner, keys, ids),
            )
            values = ("key, 'L', %s::date", "%s", "key, %s, DATE '2026-01-01'")
            for table, columns, given, value in zip(RECORDS, said, values, (born, county, partner), strict=True):
                self.warehouse.query(
                    f"INSERT INTO record.{table} (source_person_id, {', '.join(columns)}, {PROVENANCE}) "
                    f"SELECT key, {given}, %s, %s, %s, number, '1', '2026-01-31', %s "
                    "FROM unnest(%s) WITH ORDINALITY AS t (key, number)",
                    (value, partner, FEED_OF[partner], delivery, LONG_AGO, keys),
                )
        return names

    def _delivery(self, feed: str) -> int:
        """The feed's delivery, loaded."""
        if feed not in self.scene.deliveries:
            [(number,)] = self.warehouse.query(
                "INSERT INTO ledger.delivery (partner, feed, file_name, size_bytes, sha256, period, as_of,"
                " contract_version, agreement_id, agreement_version, state) VALUES (split_part(%s, '/', 1), %s, 'f', 1,"
                " %s, '2026-01-01', '2026-01-31', '1', 'a', '1', 'accepted') RETURNING delivery_id",
                (feed, feed, feed),
            )
            self.warehouse.query("INSERT INTO ledger.load (delivery_id, targets) VALUES (%s, '{}')", (number,))
            self.scene.deliveries[feed] = number
        return self.scene.deliveries[feed]

    def request(self, by: str = "cleo", name: str = NAME, at: datetime = NOW, key: str | None = None) -> Request:
        """Ask for the extract."""
        self.requests += 1
        return request_release(
            self.warehouse.pipeline, name, by, "For the study.", at, key or f"request {self.requests}"
        )

    def vote(self, request: Request, *members: str, choice: str = "approve", at: datetime = NOW) -> ReleaseState:
        """The members' answers, and what became of the release."""
        for member in members:
            with transaction(self.warehouse.pipeline) as connection:
                cast(connection, request.proposal_id, member, choice, at, "A reason.")
        return take_down_approvals(self.warehouse.pipeline, request.release_id, at)

    def approved(self, by: str = "cleo") -> int:
        """A release that two others have approved."""
        request = self.request(by)
        assert self.vote(request, *sorted({"ada", "ben", "cleo"} - {by})[:2]) is ReleaseState.APPROVED
        return request.release_id

    def build(self, release_id: int, day: date = DAY) -> Any:
        """Build it."""
        return build_release(self.warehouse.linkage, release_id, day)

    def deliver(self, release_id: int, day: date = DAY) -> bool:
        """Deliver it."""
        return deliver_release(self.warehouse.linkage, self.endpoint, release_id, day)

    def issued(self) -> int:
        """A release that is out."""
        release_id = self.approved()
        self.build(release_id)
        assert self.deliver(release_id)
        return release_id

    def state(self, release_id: int) -> str:
        """As the ledger has it."""
        [(state,)] = self.warehouse.query("SELECT state FROM ledger.release WHERE release_id = %s", (release_id,))
        return str(state)

    def sent(self) -> list[str]:
        """Names in the outbox."""
        return sorted(path.name for path in self.outbox.iterdir())

    def opened(self, ending: str, release_id: int) -> bytes:
        """A file of the release, as the recipient opens it with its own key."""
        [path] = [p for p in self.outbox.iterdir() if p.name.endswith(f"_r{release_id}{ending}.pgp")]
        return bytes(decrypt(path.read_bytes(), decryptor=KEY.decryptor()).bytes)

    def rows(self, release_id: int) -> pd.DataFrame:
        """The file of rows, as text."""
        return pd.read_csv(io.BytesIO(self.opened(".csv", release_id)), dtype=str)

    def manifest(self, release_id: int) -> dict[str, Any]:
        """The manifest."""
        found: dict[str, Any] = json.loads(self.opened(".manifest.json", release_id))
        return found

    def clear(self) -> None:
        """Nothing of what a test did is left."""
        self.warehouse.query(
            "TRUNCATE ledger.release, ledger.disclosure, ledger.recall, release.member, release.member_source,"
            " release.withheld_before, release.package, release.recall_member, release.recipient_code,"
            " ledger.proposal, ledger.asked, ledger.ballot, ledger.outcome, ledger.mail RESTART IDENTITY CASCADE"
        )
        self.scene.empty()
        for path in self.outbox.iterdir():
            path.unlink()
        write_declarations(self.include)


@contextmanager
def study(warehouse: Any, folder: Path) -> Iterator[Study]:
    """A study on a site and a server of its own."""
    server = bundled_sftp.start(folder / "sftp", [RECIPIENT])
    try:
        with study_site(folder / "site") as include:
            yield Study(warehouse, server, include, Scene(warehouse))
    finally:
        bundled_sftp.stop(folder / "sftp")


__all__ = ["DAY", "KEY", "NAME", "NOW", "RECIPIENT", "Study", "change", "home", "study", "study_site"]
