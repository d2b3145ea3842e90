"""Members of an 834 by the paths of their elements; envelopes that do not add up are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.readers import Rows, columns_at, rows_of

from kinbridge.contract.model import Dialect
from kinbridge.format import x12
from kinbridge.format.table import Unreadable

MEMBERS = Dialect("x", format="x12_834", encoding="cp1252")
HEAD = [
    "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260101*1200*^*00501*000000007*0*T*:",
    "GS*BE*S*R*20260101*1200*21*X*005010X220A1",
    "ST*834*0001",
    "BGN*00*12456*20260101",
    "N1*P5*Plan*FI*999",
]
ANN = [
    "INS*Y*18*021*20*A***FT",
    "REF*0F*00123",
    "DTP*356*D8*20250101",
    "NM1*IL*1*DO\xc9*ANN*P",
    "N4*CAMP HILL*PA*17011",
    "DMG*D8*19770816*F**C:RET",
    "NM1*M8*2*SCHOOL",
    "N4*ELSEWHERE*NY*10001",
    "HD*021**HLT",
    "DTP*348*D8*20260101",
    "HD*021**VIS",
    "DTP*348*D8*20260201",
]
BOB = ["INS*N*19*021", "REF*0F*00124", "NM1*IL*1*ROE", "HD*021**HLT"]
PATHS = {
    "id": "REF[0F].02",
    "last": "NM1[IL].03",
    "state": "NM1[IL]/N4.02",
    "birth": "DMG.02",
    "race": "DMG.05-2",
    "eyes": "HD[03=VIS]/DTP[348].03",
    "health": "HD[03=HLT]/DTP[348].03",
    "plan": "/N1[P5].04",
    "group": "/GS.06",
    "middle": "NM1[IL].05",
    "none": "PER.04",
}
FOUND = [
    (6, "whole", ["00123", "DO\xc9", "PA", "19770816", "RET", "20260201", "20260101", "999", "21", "P", ""]),
    (18, "whole", ["00124", "ROE", "", "", "", "", "", "999", "21", "", ""]),
]


def interchange(*members: list[str], **said: int) -> list[str]:
    """The segments of an interchange, whose counts are right but for those that are said."""
    body = [segment for member in members for segment in member]
    count = {"SE": len(HEAD) - 2 + len(body) + 1, "GE": 1, "IEA": 1, **said}
    return [*HEAD, *body, f"SE*{count['SE']}*0001", f"GE*{count['GE']}*21", f"IEA*{count['IEA']}*000000007"]


def written(segments: list[str], end: str = "~", separator: str = "*") -> bytes:
    return "".join(segment.replace("*", separator) + end for segment in segments).encode("cp1252")


def read(tmp_path: Path, content: bytes, **paths: str) -> Rows:
    path = tmp_path / "members.834"
    path.write_bytes(content)
    return rows_of(path, MEMBERS, columns_at(**(paths or {"id": "REF[0F].02"})))


@pytest.mark.parametrize("end", ["~", "~\n", "~\r\n", "\n", "\r\n", "\x1c"])
@pytest.mark.parametrize("separator", ["*", "|"])
def test_members_are_read_by_the_delimiters_of_their_isa(tmp_path: Path, end: str, separator: str) -> None:
    assert read(tmp_path, written(interchange(ANN, BOB), end, separator), **PATHS) == FOUND


def test_wherever_the_buffer_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = written(interchange(ANN, BOB), "~\n")
    for size in range(1, 120, 7):
        monkeypatch.setattr(x12, "PIECE", size)
        assert read(tmp_path, content, **PATHS) == FOUND


def test_interchanges_one_after_the_other(tmp_path: Path) -> None:
    """Each with its own delimiters; the numbers of segments go on."""
    first, second = written(interchange(ANN)), written(interchange(BOB, ANN), "\n", "|")
    found = read(tmp_path, first + b"\r\n" + second, id="REF[0F].02")
    assert found == [(6, "whole", ["00123"]), (26, "whole", ["00124"]), (30, "whole", ["00123"])]


@pytest.mark.parametrize("path", ["HD.03", "N4.02", "DTP[348].03", "HD/DTP[348].03", "DMG.05"])
def test_what_could_mean_two_values_is_ragged(tmp_path: Path, path: str) -> None:
    assert read(tmp_path, written(interchange(ANN)), x=path) == [(6, "ragged", [""])]


def test_segments_that_say_the_same_are_one(tmp_path: Path) -> None:
    twice = [*BOB, "HD*021**HLT"]
    assert read(tmp_path, written(interchange(twice)), x="HD.03") == [(6, "whole", ["HLT"])]


def test_bytes_that_are_no_text_spoil_their_member_only(tmp_path: Path) -> None:
    content = written(interchange(ANN, BOB)).replace(b"ROE", b"R\x81E")
    assert [s for _, s, _ in read(tmp_path, content, last="NM1[IL].03")] == ["whole", "undecodable"]


@pytest.mark.parametrize(
    ("segments", "line", "why"),
    [
        (interchange(ANN, SE=99), 18, "SE counts 99 segments, there are 16"),
        (interchange(ANN, GE=2), 19, "GE counts 2 transaction sets, there are 1"),
        (interchange(ANN, IEA=0), 20, "IEA counts 0 groups, there are 1"),
        (interchange(ANN)[:-1], 19, "ends before the end of its ISA"),
        (interchange(ANN)[:-2], 18, "ends before the end of its GS"),
        (interchange(ANN)[:-4], 16, "ends before the end of its ST"),
        ([*interchange(ANN), "INS*Y"], 21, "something after its end"),
        ([s.replace("SE*16*0001", "SE*16*0002") for s in interchange(ANN)], 18, "another control number"),
        ([s.replace("SE*16", "SE*x") for s in interchange(ANN)], 18, "no number"),
        ([s.replace("ST*834", "ST*835") for s in interchange(ANN)], 3, "not 834"),
        ([s for s in interchange(ANN) if not s.startswith("GS")], 2, "ST stands where it may not"),
        (["a,b", "1,2"], 1, "no X12"),
        ([], 1, "no X12"),
        (["ISA*00*x"], 1, "no X12"),
    ],
)
def test_what_does_not_add_up_is_refused(tmp_path: Path, segments: list[str], line: int, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(tmp_path, written(segments))
    assert why in caught.value.why
    assert caught.value.line == line


def test_a_file_that_ends_within_a_segment(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="ends within a segment"):
        read(tmp_path, written(interchange(ANN))[:-30])


def test_a_segment_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(x12, "SEGMENT_CHARACTERS", 1000)
    with pytest.raises(Unreadable, match="has no end"):
        read(tmp_path, written(interchange(ANN))[:-30] + b"x" * 200_000)
