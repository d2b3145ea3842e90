"""Vaccinations of HL7 messages by the paths of their fields; a message that is not sound never vanishes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.readers import Rows, columns_at, rows_of

from kinbridge.contract.model import Dialect
from kinbridge.format import hl7_v2
from kinbridge.format.table import Unreadable

VXU = Dialect("x", format="hl7_v2")
MSH = r"MSH|^~\&|REG|OFFICE||KB|20260101||VXU^V04^VXU_V04|M1|P|2.5.1"
NAME = "Doe \\T\\ S\\XC3B6\\n^Ann^\\E\\\\F\\\\S\\\\R\\"
PID = f'PID|1||77^^^ST^MR~999^^^US^SS||{NAME}||20180809|F|||1 Main\\.br\\St^^Town||""|x\\Z9\\|a&b'
RXA = "RXA|0|1|20260102|20260102|08^HepB^CVX|1"
MESSAGE = [
    MSH,
    PID,
    "NK1|1|DOE^EVE|MTH",
    "NK1|2|DOE^ADAM|FTH",
    "ORC|RE||A1",
    RXA,
    "RXR|IM",
    "OBX|1|CE|64994-7^Eligible^LN||V02^VFC",
    "OBX|2|CE|30956-7^Type^LN||107^DTaP",
    "ORC|RE||A2",
    RXA.replace("08^HepB", "03^MMR"),
]
PATHS = {
    "message": "MSH-10",
    "kind": "MSH-9.1",
    "id": "PID-3.1",
    "ssn": "PID-3[5=SS].1",
    "second": "PID-3[2].1",
    "last": "PID-5.1",
    "signs": "PID-5.3",
    "street": "PID-11.1",
    "birth": "PID-7",
    "nothing": "PID-13",
    "part": "PID-15.1.2",
    "mother": "NK1[3=MTH]-2.2",
    "order": "ORC-3",
    "vaccine": "RXA-5.1",
    "funds": "OBX[3.1=64994-7]-5.1",
    "route": "RXR-1",
    "far": "RXA-99",
}
PERSON = ["M1", "VXU", "77", "999", "999", "Doe & Sön", "\\|^~", "1 Main\nSt", "20180809", "", "b", "EVE"]


def read(tmp_path: Path, lines: list[str], end: str = "\r", **paths: str) -> Rows:
    path = tmp_path / "messages.hl7"
    path.write_bytes("".join(line + end for line in lines).encode())
    return rows_of(path, VXU, columns_at(**(paths or {"id": "PID-3[1].1"})))


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_vaccinations_are_read_by_the_paths_of_their_fields(tmp_path: Path, end: str) -> None:
    assert read(tmp_path, ["\x0b" + MESSAGE[0], *MESSAGE[1:], "\x1c"], end, **PATHS) == [
        (6, "whole", [*PERSON, "A1", "08", "V02", "IM", ""]),
        (11, "whole", [*PERSON, "A2", "03", "", "", ""]),
    ]


def test_a_message_declares_its_own_separators(tmp_path: Path) -> None:
    other = [line.translate(str.maketrans("|^~\\&", "#@*?%")) for line in MESSAGE]
    found = read(tmp_path, [*other, *MESSAGE], last="PID-5.1", mother="NK1[3=MTH]-2.2")
    assert [(line, shape) for line, shape, _ in found] == [(6, "whole"), (11, "whole"), (17, "whole"), (22, "whole")]
    assert found[2][2] == ["Doe & Sön", "EVE"]
    # The other separators mean that \XC3B6\ and the like stand between other signs, and say the same.
    assert found[0][2] == ["Doe % Sön", "EVE"]


@pytest.mark.parametrize("path", ["PID-5", "PID-15", "PID-15.1", "NK1-2.2", "OBX-5.1"])
def test_what_could_mean_two_values_is_ragged(tmp_path: Path, path: str) -> None:
    assert read(tmp_path, MESSAGE, x=path)[0] == (6, "ragged", [""])


@pytest.mark.parametrize("text", [r"x\Z9\y", r"C:\temp", r"\XC3\ ", r"\Xzz\ "])
def test_an_escape_that_is_not_known_is_undecodable(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, [MSH, f"PID|1||||{text}", RXA], last="PID-5.1", vaccine="RXA-5.1")
    assert found == [(3, "undecodable", ["", "08"])]


BATCH = ["FHS|^~\\&|REG", "BHS|^~\\&|REG", *MESSAGE, *MESSAGE, "BTS|2", "FTS|1"]


def test_batches_that_add_up(tmp_path: Path) -> None:
    assert [line for line, _, _ in read(tmp_path, BATCH)] == [8, 13, 19, 24]
    assert len(read(tmp_path, [*BATCH[:-2], "BTS", "FTS||"])) == 4
    assert len(read(tmp_path, BATCH[1:-1])) == 4


@pytest.mark.parametrize(
    ("lines", "line", "why"),
    [
        ([*BATCH[:-2], "BTS|3", "FTS|1"], 25, "BTS counts 3 messages, there are 2"),
        ([*BATCH[:-1], "FTS|2"], 26, "FTS counts 2 batches, there are 1"),
        ([*BATCH[:-1], "FTS|many"], 26, "FTS counts no number of batches"),
        (BATCH[:-1], 25, "ends before the end of its FHS"),
        (BATCH[1:-2], 23, "ends before the end of its BHS"),
        (BATCH[2:], 23, "BTS stands where it may not"),
        (["AAA|x", *MESSAGE], 1, "belongs to no message"),
        ([*BATCH, "PID|1"], 27, "belongs to no message"),
        ([], 1, "no HL7 message"),
        (["a,b", "1,2"], 1, "belongs to no message"),
    ],
)
def test_files_that_do_not_add_up_are_refused(tmp_path: Path, lines: list[str], line: int, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(tmp_path, lines)
    assert why in caught.value.why
    assert caught.value.line == line


GOOD = [(6, "whole"), (11, "whole")]


@pytest.mark.parametrize(
    ("bad", "rows"),
    [
        ([MSH.replace("VXU", "ADT"), PID, RXA], [(14, "ragged")]),
        ([MSH.replace("VXU", "VXUX"), PID, RXA], [(14, "ragged")]),
        ([MSH, PID], [(12, "ragged")]),
        ([MSH, PID, "ORC|RE"], [(12, "ragged")]),
        ([MSH, PID, "ORC|RE", "ORC|RE", RXA], [(16, "ragged")]),
        ([MSH, RXA], [(13, "ragged")]),
        ([MSH, PID, PID, RXA, RXA], [(15, "ragged"), (16, "ragged")]),
        ([MSH, PID, "a line broken", RXA], [(15, "ragged")]),
        ([MSH.replace(r"^~\&", r"^~\\"), PID, RXA], [(12, "ragged")]),
        (["MSH", PID, RXA], [(12, "ragged")]),
        (["MSHx", PID, RXA], [(12, "ragged")]),
    ],
)
def test_a_message_that_is_not_sound_is_said_and_the_others_are_read(
    tmp_path: Path, bad: list[str], rows: list[tuple[int, str]]
) -> None:
    found = read(tmp_path, [*MESSAGE, *bad, *MESSAGE])
    after = [(line + 11 + len(bad), shape) for line, shape in GOOD]
    assert [(line, shape) for line, shape, _ in found] == [*GOOD, *rows, *after]


def test_a_charset_other_than_the_contracts_is_undecodable(tmp_path: Path) -> None:
    path = tmp_path / "messages.hl7"
    path.write_bytes("\r".join([MSH, "PID|1||||Söhn", RXA]).encode("cp1252"))
    assert rows_of(path, VXU, columns_at(last="PID-5.1")) == [(3, "undecodable", ["S?hn"])]


def test_a_message_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hl7_v2, "MESSAGE_CHARACTERS", 1_000)
    assert len(read(tmp_path, [*MESSAGE, *MESSAGE, *MESSAGE])) == 6
    with pytest.raises(Unreadable, match="more than 1000 characters"):
        read(tmp_path, [*MESSAGE, *["NTE|1||x"] * 200])
