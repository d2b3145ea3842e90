"""Manifests in their three forms: read exactly, or refused whole with a cause that quotes nothing."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from kinbridge.contract.model import ManifestFormat
from kinbridge.manifest.attestation import identity
from kinbridge.manifest.model import Listed, Manifest, mismatch
from kinbridge.manifest.read import LARGEST_BYTES, NotAManifest, read_manifest

A, B = "a" * 64, "0123456789ABCDEF" * 4
BOTH = (Listed("visits_202607.csv", A, 12, 3), Listed("notes_202607.csv", B.lower(), 0, None))
JULY = date(2026, 7, 1)


def entry(**changes: Any) -> dict[str, Any]:
    return {"name": "visits_202607.csv", "bytes": 12, "sha256": A, "rows": 3, **changes}


def as_json(*files: Any, **rest: Any) -> bytes:
    return json.dumps({"files": list(files), **rest}).encode()


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("json", as_json(entry(), {"name": "notes_202607.csv", "bytes": 0, "sha256": B}, period="2026-07")),
        (
            "csv",
            f"\ufeffsha256,Name,bytes,rows,period\r\n{A},visits_202607.csv,12,3,2026-07\r\n"
            f'{B},"notes_202607.csv",0,,2026-07\r\n'.encode(),
        ),
    ],
)
def test_names_sizes_sums_rows_and_the_period_are_read(form: ManifestFormat, content: bytes) -> None:
    assert read_manifest(content, form, "visits_202607.manifest") == Manifest(BOTH, JULY)


def test_lines_of_sha256sum_are_read_and_a_sidecar_goes_by_its_own_name() -> None:
    found = read_manifest(f"{A}  visits_202607.csv\n{B} *two words.csv\n".encode(), "sha256sums", "SHA256SUMS")
    assert found == Manifest((Listed("visits_202607.csv", A), Listed("two words.csv", B.lower())))
    assert read_manifest(f"{A}\r\n".encode(), "sha256sums", "visits.csv.sha256") == Manifest((Listed("visits.csv", A),))


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("json", b""),
        ("json", b"[" * 100_000),
        ("json", b"\xff\xfe{}"),
        ("json", as_json()[:-1]),
        ("json", b'{"files": "secret"}'),
        ("json", as_json()),
        ("json", as_json("secret")),
        ("json", as_json(entry(), entry())),
        ("json", as_json(entry(), period="2026-13")),
        ("json", as_json(entry(), period=202607)),
        ("json", b'{"files": [{"name": "x", "name": "secret", "bytes": 1, "sha256": "' + A.encode() + b'"}]}'),
        *(("json", as_json(entry(name=name))) for name in ("../secret", "", None, "a\nb", "\ud800", 7)),
        *(("json", as_json(entry(sha256=value))) for value in (A[:-1], A + "0", None, 7, "g" * 64)),
        *(("json", as_json(entry(bytes=value))) for value in (-1, None, True, 1.5, "secret", "9" * 30)),
        *(("json", as_json(entry(rows=value))) for value in (-1, True, "3 or so")),
        ("csv", b""),
        ("csv", b"name,bytes,sha256\n"),
        ("csv", f"name,sha256\nvisits.csv,{A}\n".encode()),
        ("csv", f"name,bytes,sha256,secret\nvisits.csv,1,{A},x\n".encode()),
        ("csv", f"name,bytes,sha256\nvisits.csv,1,{A},secret\n".encode()),
        ("csv", f'name,bytes,sha256\n"visits.csv,1,{A}\n'.encode()),
        ("csv", f"name,bytes,sha256,period\na.csv,1,{A},2026-07\nb.csv,1,{A},2026-08\n".encode()),
        ("csv", f"name,bytes,sha256,period\na.csv,1,{A},2026-07\nb.csv,1,{A},\n".encode()),
        ("sha256sums", b""),
        ("sha256sums", f"{A}  a.csv\n{A[:40]}".encode()),
        ("sha256sums", f"\\{A}  a\\nsecret.csv\n".encode()),
        ("sha256sums", f"{A}  a.csv\n{B}  a.csv\n".encode()),
        ("sha256sums", f"{A}\n".encode()),
        ("json", b" " * (LARGEST_BYTES + 1)),
    ],
)
def test_what_is_not_understood_to_its_end_is_no_manifest(form: ManifestFormat, content: bytes) -> None:
    with pytest.raises(NotAManifest) as caught:
        read_manifest(content, form, "manifest")
    assert str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("size", "sha256", "period", "code"),
    [
        (12, A, JULY, None),
        (12, A, None, None),
        (13, A, JULY, "KB-H03"),
        (12, B, JULY, "KB-H03"),
        (12, A, date(2026, 6, 1), "KB-H06"),
    ],
)
def test_a_file_is_what_its_manifest_says_or_the_reason_is_told(
    size: int, sha256: str, period: date | None, code: str | None
) -> None:
    assert mismatch(Manifest(BOTH, JULY), BOTH[0], size, sha256, period) == code


def test_empty_attestations_of_two_months_are_two_and_the_same_one_again_is_one() -> None:
    assert identity("visits_202606.nothing", b"") != identity("visits_202607.nothing", b"")
    assert identity("visits_202607.nothing", b"") == identity("visits_202607.nothing", b"")
