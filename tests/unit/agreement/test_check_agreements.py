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


SECOND = AGREEMENT.replace("version: 1.0.0", "version: 1.1.0\namends: 1.0.0").replace("2025-01-01", "2026-01-01")
MEMORANDUM = """\
id: mou
version: 1.0.0
title: Memorandum
kind: memorandum
parties:
  contributor: [{code: medicaid, name: Medicaid}, {code: snap, name: SNAP}]
  recipient: {code: data_office, name: Data Office}
purposes: [Know]
commitments: [Nothing else]
effective: 2025-01-01
expires: 2026-12-31
signatures:
  - {party: medicaid, name: A, title: T, authority: U, signed: 2024-12-01}
  - {party: snap, name: A, title: T, authority: U, signed: 2024-12-01}
  - {party: data_office, name: B, title: T, authority: U, signed: 2024-12-02}
"""
RELEASE = """\
id: dra-university
version: 1.0.0
title: Release
kind: release_agreement
parties:
  contributor: {code: data_office, name: Data Office}
  research_partner: {code: university, name: University}
releases:
  counts: {elements: [person.birth_month]}
legal_basis:
  - {citation: A law, what: Release}
effective: 2025-01-01
expires: 2026-12-31
signatures:
  - {party: data_office, name: B, title: T, authority: U, signed: 2024-12-02}
  - {party: university, name: B, title: T, authority: U, signed: 2024-12-02}
transmission: {channel: sftp, openpgp: {encrypted_to: [FINGER]}, outbox: releases}
retention: {releases_days: 90}
destruction: {within_days: 30, method: deleted, certificate: true}
redisclosure: none
breach: {contact: Desk, email: desk@example.org, within_hours: 24}
small_cells: {minimum: 11}
""".replace("FINGER", "AB" * 20)


def beside(folder: Path, text: str) -> list[tuple[str, int]]:
    """The problems of a second file beside the sound one."""
    path = folder / "agreements" / "two.yaml"
    path.write_text(text, encoding="utf-8")
    return [(p.code, p.line) for p in check_agreements(CONTRACTS, [folder]) if p.path == path]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SECOND, []),
        (SECOND.replace("amends: 1.0.0", "amends: 0.9.0"), [("KB-C27", 12), ("KB-C54", 3)]),
        (SECOND.replace("amends: 1.0.0", "amends: 1.1.0"), [("KB-C27", 12), ("KB-C54", 3)]),
        (SECOND.replace("2026-01-01", "2024-01-01"), [("KB-C54", 18)]),
        (
            SECOND.replace("code: data_office", "code: office").replace("party: data_office", "party: office"),
            [("KB-C54", 3)],
        ),
        (SECOND.replace("amends", "under: mou\namends"), [("KB-C55", 3)]),
        (SECOND.replace("rule: not_required", "rule: maybe"), [("KB-C56", 28)]),
        (SECOND.replace("small_cells", "linkage: {not_with: [snap/other_v1]}\nsmall_cells"), [("KB-C57", 29)]),
        (SECOND.replace("redisclosure: none", "redisclosure: {recipients: [university]}"), [("KB-C20", 26)]),
        (MEMORANDUM, []),
        (MEMORANDUM.replace("purposes: [Know]\n", ""), [("KB-C20", 1)]),
        (
            MEMORANDUM.replace("  - {party: medicaid, name: A, title: T, authority: U, signed: 2024-12-01}\n", ""),
            [("KB-C25", 12)],
        ),
        (RELEASE, []),
        (RELEASE.replace("counts:", "other:"), [("KB-C23", 9)]),
        (RELEASE.replace(", outbox: releases", ""), [("KB-C20", 17)]),
        (RELEASE.replace("AB" * 20, "ABCD"), [("KB-C20", 17)]),
        (RELEASE.replace("research_partner", "observer"), [("KB-C20", 5), ("KB-C20", 7)]),
    ],
)
def test_agreements_of_every_kind_and_what_ties_them(
    declare: Declare, text: str, expected: list[tuple[str, int]]
) -> None:
    assert sorted(beside(declare(), text)) == expected


def test_what_the_new_kinds_say_is_read(declare: Declare) -> None:
    folder = declare()
    for name, text in (("mou", MEMORANDUM), ("release", RELEASE), ("second", SECOND)):
        (folder / "agreements" / f"{name}.yaml").write_text(text, encoding="utf-8")
    mou, _, release, second = read_agreements([folder])
    assert mou.contributors == ("medicaid", "snap")
    assert (release.recipient.code, release.recipient.role) == ("university", "research_partner")
    assert (release.use_cases, release.retention.releases_days) == (("counts",), 90)
    assert release.transmission.encrypted_to == ("AB" * 20,)
    assert second.amends == "1.0.0"
    assert second.element_clause("snap/participation_v1", "dob").line == 15
    assert (second.consent.rule, second.breach.within_hours, second.legal_basis[0].citation) == (
        "not_required",
        24,
        "7 CFR 272.1(c)",
    )


def test_a_missing_authority_shuts_one_agreement_and_keeps_the_others_readable(declare: Declare) -> None:
    folder = declare(agreement=("authority: U, signed: 2024-12-02", "signed: 2024-12-02"))
    [agreement] = read_agreements([folder])
    assert [party.code for party in agreement.unsigned(agreement.expires)] == ["data_office"]


def test_signatures_follow_the_approval_of_a_text_and_nothing_else_does(declare: Declare) -> None:
    folder = declare()
    [agreement] = read_agreements([folder])
    path = folder / "agreements" / "one.yaml"
    path.write_text("# A note\n" + AGREEMENT.replace("signed: 2024-12-02", "signed:"), encoding="utf-8")
    assert read_agreements([folder])[0].digest == agreement.digest
    path.write_text(AGREEMENT.replace("expires: 2026-12-31", "expires: 2036-12-31"), encoding="utf-8")
    assert read_agreements([folder])[0].digest != agreement.digest


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
