"""Declarations of a fictional partner, written to a folder of their own, for tests of what declarations lead to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.approving import approve

from kinbridge import settings
from kinbridge.contract.odcs import feeds
from kinbridge.settings import home
from kinbridge.validation.expectations import project

CONTRACT = """\
kind: DataContract
apiVersion: v3.1.0
id: {id}
version: 1.0.0
status: active
schema:
  - name: rows
    logicalType: object
{table}    properties:
{columns}
customProperties:
  - property: delivery
    value: {delivery}
  - property: intake
    value: {{ maxBadRowShare: {share} }}
"""
COLUMN = """\
      - name: {name}
        logicalType: {kind}
        classification: internal
        description: A column.
"""
PROFILE = """\
partner: {partner}
name: The {partner} office
contacts:
  - { role: desk, name: A Desk, email: desk@example.org }
"""
AGREEMENT = """\
id: dsa-{partner}
version: 1.0.0
title: Agreement
kind: data_use_agreement
parties:
  contributor: {code: {partner}, name: Office}
  recipient: {code: data_office, name: Data Office}
use_cases: [counts]
feeds: {feeds}
legal_basis:
  - {citation: A law, what: Disclosure}
effective: 2025-01-01
expires: 2026-12-31
signatures:
  - {party: {partner}, name: A, title: T, authority: U, signed: 2024-12-01}
  - {party: data_office, name: B, title: T, authority: U, signed: 2024-12-02}
transmission: {channel: sftp}
retention: {files_days: 30, records_months: 36}
destruction: {within_days: 30, method: deleted}
redisclosure: none
breach: {contact: Desk, email: desk@example.org, within_hours: 24}
consent: {rule: not_required}
small_cells: {minimum: 11}
"""
USE_CASE = """\
id: counts
status: approved
question: How many?
goals: [Know]
benefits: {atlas: Knows}
population: Children
elements: [person.birth_date]
outputs: [children_served]
consent: none
"""
DELIVERY = "{ filePattern: '^rows_(?P<period>\\d{6})\\.csv$' }"


def column(name: str, kind: str = "string", *lines: str) -> str:
    """One column of a contract; `lines` are YAML at the column's own depth."""
    return COLUMN.format(name=name, kind=kind) + "".join(f"        {line}\n" for line in lines)


def contract(feed_id: str, *columns: str, table: str = "", delivery: str = DELIVERY, share: str = "0.5") -> str:
    """A contract's text."""
    return CONTRACT.format(
        id=feed_id.replace("/", "."), table=table, columns="".join(columns).rstrip("\n"), delivery=delivery, share=share
    )


def write_feed(
    include: Path, feed_id: str, text: str, transform: str = "", codes: dict[str, str] | None = None
) -> Path:
    """Write one feed and its partner's profile; returns the feed's folder."""
    partner, name = feed_id.split("/")
    folder = include / "partners" / partner / "feeds" / name
    (folder / "codes").mkdir(parents=True, exist_ok=True)
    (folder / "contract.odcs.yaml").write_text(text, encoding="utf-8")
    if transform:
        (folder / "transform.sql").write_text(transform, encoding="utf-8")
    for file, body in (codes or {}).items():
        (folder / "codes" / file).write_text(body, encoding="utf-8")
    profile = PROFILE.replace("{partner}", partner)
    (folder.parents[1] / "profile.yaml").write_text(profile, encoding="utf-8")
    return folder


def write_agreement(include: Path, partner: str, elements: dict[str, list[str]]) -> Path:
    """Write an agreement of 2025 and 2026 over the elements of each feed, the use case it names, and approve both."""
    listed = "".join(f"\n  {feed}: {{elements: [{', '.join(names)}]}}" for feed, names in elements.items())
    for folder in ("agreements", "use_cases"):
        (include / folder).mkdir(parents=True, exist_ok=True)
    path = include / "agreements" / f"{partner}.yaml"
    path.write_text(AGREEMENT.replace("{partner}", partner).replace("{feeds}", listed), encoding="utf-8")
    (include / "use_cases" / "counts.yaml").write_text(USE_CASE, encoding="utf-8")
    approve(include)
    return path


@contextmanager
def site_of(folder: Path) -> Iterator[Path]:
    """A project whose only partners are those written below the yielded include folder.

    Its standards, catalogue, linkage and laws are the real ones; suites, results and state are its own.
    """
    include = folder / "include"
    include.mkdir(parents=True)
    for name in ("standards", "catalogue.yaml", "linkage", "office.yaml", "laws", "retention.yaml", "incidents"):
        (include / name).symlink_to(home() / "include" / name)
    (folder / "great_expectations").mkdir()
    shutil.copy(home() / "great_expectations" / "great_expectations.yml", folder / "great_expectations")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "HOME", folder)
        for name in ("KINBRIDGE_INCLUDE", "KINBRIDGE_GX", "KINBRIDGE_STATE"):
            patch.delenv(name, raising=False)
        feeds.cache_clear()
        project.cache_clear()
        yield include
    feeds.cache_clear()
    project.cache_clear()
