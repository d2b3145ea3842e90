"""Every kind of mistake in an agreement or use case is found, with its code and the very line it stands on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kinbridge.agreement import check_agreements, read_agreements, read_use_cases
from kinbridge.contract.odcs import feeds
from kinbridge.errors import KinbridgeError

CONTRACTS = {"snap/participation_v1": {"case_number", "dob"}}

AGREEMENT = """\
id: dsa-snap
version: 1.0.0
title: Participation
kind: data_use_agreement
parties:
  contributor: {code: snap, name: SNAP}
  recipient: {code: data_office, name: Data Office}
use_cases:
  - counts
feeds:
  snap/participation_v1:
    elements:
      - case_number
      - dob
legal_basis:
  - {citation: 7 CFR 272.1(c), what: Disclosure}
effective: 2025-01-01
expires: 2026-12-31
signatures:
  - {party: snap, name: A, title: T, authority: U, signed: 2024-12-01}
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
benefits: {snap: Knows}
population: Children
elements:
  - person.birth_date
outputs: [children_served]
consent: none
"""

Declare = Callable[..., Path]


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    """Writes an agreement and a use case, each with one text replaced by another."""

    def write(agreement: tuple[str, str] = ("", ""), use_case: tuple[str, str] = ("", "")) -> Path:
        for folder, text, (old, new) in (
            ("agreements", AGREEMENT, agreement),
            ("use_cases", USE_CASE, use_case),
        ):
            assert old in text
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "one.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
        return tmp_path

    return write


def found(folder: Path) -> list[tuple[str, int]]:
    return [(p.code, p.line) for p in check_agreements(CONTRACTS, [folder])]


def test_sound_declarations_have_no_problem(declare: Declare) -> None:
    assert found(declare()) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("id: dsa-snap", "id: [dsa"), ("KB-C01", 2)),
        (("title: Participation\n", ""), ("KB-C20", 1)),
        (("legal_basis:\n  - {citation: 7 CFR 272.1(c), what: Disclosure}\n", ""), ("KB-C20", 1)),
        (("effective: 2025-01-01", "effective: soon"), ("KB-C20", 17)),
        (("minimum: 11", "minimum: 0"), ("KB-C20", 28)),
        (("kind: data_use_agreement", "kind: handshake"), ("KB-C20", 4)),
        (("      - dob", "      - case_number"), ("KB-C20", 14)),
        (("name: SNAP}", "name: ''}"), ("KB-C20", 6)),
        (("authority: U, signed: 2024-12-02", "signed: 2024-12-02"), ("KB-C20", 21)),
        (("{channel: sftp}", "{channel: sftp, openpgp: }"), ("KB-C20", 22)),
        (("{channel: sftp}", "{channel: sftp, openpgp: {signed_by: [], encrypted: true}}"), ("KB-C20", 22)),
        (("{channel: sftp}", f"{{channel: sftp, openpgp: {{signed_by: [{'AB' * 20}]}}}}"), ("KB-C20", 22)),
        (("{channel: sftp}", "{channel: sftp, openpgp: {signed_by: [ABCD1234], encrypted: true}}"), ("KB-C20", 22)),
        (("{channel: sftp}", f"{{openpgp: {{signed_by: [{'AB' * 20}], encrypted: 1}}, channel: x}}"), ("KB-C20", 22)),
        (
            ("{channel: sftp}", f"{{openpgp: {{signed_by: [{'AB' * 20}], encrypted: true}}, channel: x}}"),
            ("KB-H16", 22),
        ),
        (("      - dob", "      - dbo"), ("KB-C22", 14)),
        (("  - counts", "  - cuonts"), ("KB-C23", 9)),
        (("expires: 2026-12-31", "expires: 2024-12-31"), ("KB-C24", 18)),
        (("signed: 2024-12-02", "signed: 2027-01-01"), ("KB-C24", 21)),
        (
            ("  - {party: data_office, name: B, title: T, authority: U, signed: 2024-12-02}\n", ""),
            ("KB-C25", 19),
        ),
    ],
)
def test_mistake_in_an_agreement(declare: Declare, change: tuple[str, str], expected: tuple[str, int]) -> None:
    assert found(declare(agreement=change)) == [expected]


def test_unknown_feed(declare: Declare) -> None:
    assert found(declare(agreement=("snap/participation_v1", "snap/participation_v9"))) == [("KB-C21", 11)]


def test_feed_of_another_partner(declare: Declare) -> None:
    folder = declare(agreement=("snap/participation_v1", "medicaid/eligibility_v1"))
    contracts = {"medicaid/eligibility_v1": {"case_number", "dob"}}
    assert [(p.code, p.line) for p in check_agreements(contracts, [folder])] == [("KB-C27", 11)]


def test_signature_of_no_party_also_leaves_a_party_without_one(declare: Declare) -> None:
    assert found(declare(agreement=("party: data_office", "party: janitor"))) == [("KB-C25", 19), ("KB-C25", 21)]


def test_a_wanted_signature_is_no_mistake_of_the_declaration(declare: Declare) -> None:
    assert found(declare(agreement=("signed: 2024-12-02", "signed:"))) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("person.birth_date", "person.birthday"), [("KB-C26", 8)]),
        (("question: How many?\n", ""), [("KB-C23", 9), ("KB-C20", 1)]),
        (("status: approved", "status: proposed"), [("KB-C23", 9)]),
        (("benefits: {snap: Knows}", "benefits: {}"), [("KB-C23", 9), ("KB-C20", 5)]),
    ],
)
def test_mistake_in_a_use_case(declare: Declare, change: tuple[str, str], expected: list[tuple[str, int]]) -> None:
    assert found(declare(use_case=change)) == expected


def test_overlap_and_repeated_names(declare: Declare) -> None:
    folder = declare()
    (folder / "agreements" / "two.yaml").write_text(AGREEMENT, encoding="utf-8")
    (folder / "use_cases" / "two.yaml").write_text(USE_CASE, encoding="utf-8")
    problems = check_agreements(CONTRACTS, [folder])
    assert [(p.code, p.path.parent.name, p.path.name, p.line) for p in problems] == [
        ("KB-C27", "agreements", "two.yaml", 1),
        ("KB-C27", "agreements", "two.yaml", 11),
        ("KB-C27", "use_cases", "two.yaml", 1),
    ]


def test_reading_refuses_a_folder_with_one_broken_agreement(declare: Declare) -> None:
    folder = declare(agreement=("effective: 2025-01-01\n", ""))
    with pytest.raises(KinbridgeError) as caught:
        read_agreements([folder])
    assert caught.value.code == "KB-A06"
    assert "one.yaml:1:" in str(caught.value)
    # The use cases beside it are whole and can still be read.
    assert [u.id for u in read_use_cases([folder])] == ["counts"]


def test_a_site_adds_agreements_beside_ours(declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(read_agreements())
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(declare()))
    assert len(read_agreements()) == before + 1


def test_our_own_declarations_have_no_problem() -> None:
    assert check_agreements({f.id: {c.name for c in f.columns} for f in feeds().values()}) == []
