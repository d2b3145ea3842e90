"""`kinbridge link review`: lists without values, decisions without a terminal, and one by keys on a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.review import Pairs, two

COMMAND = str(Path(sys.executable).with_name("kinbridge"))
VALUES = ("Wilhelmina", "Willa", "Ostrander", "2022-03-04", "2022-04-03")


@pytest.fixture(scope="module")
def pairs(warehouse: Any) -> Iterator[Pairs]:
    pairs = Pairs(warehouse)
    for number in range(4):
        two(pairs, number, 0.25 * number, levels=(number + 1, 1, 1))
    pairs.fill()
    yield pairs
    pairs.empty()


def environment(pairs: Pairs) -> dict[str, str]:
    return {**os.environ, "KINBRIDGE_STEWARD_URL": pairs.warehouse.steward.to_url(), "COLUMNS": "160", "TERM": "dumb"}


def run(pairs: Pairs, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "link", "review", *arguments], env=environment(pairs), capture_output=True, text=True, check=False
    )


def test_lists_hold_no_values_and_are_no_look(pairs: Pairs) -> None:
    listed = run(pairs, "--by", "steward", "--list")
    assert listed.stdout.startswith("4 pair(s) wait for Cassius Wetherby: 4 open.")
    plain = json.loads(run(pairs, "--by", "steward", "--json").stdout)
    assert [one["pair_id"] for one in plain["pairs"]] == [1, 2, 3, 4]
    assert not any(value in listed.stdout + json.dumps(plain) for value in VALUES)
    assert pairs.events("looked at a pair") == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--by", "analyst", "--list"), "KB-K61"),
        (("--by", "", "--list"), "KB-K61"),
        (("--by", "steward", "--pair", "999", "--decide", "same", "--reason", "why"), "KB-K63"),
        (("--by", "steward", "--pair", "1", "--decide", "perhaps", "--reason", "why"), "KB-K40"),
        (("--by", "steward", "--pair", "1", "--decide", "same", "--reason", "both Ostrander"), "KB-K65"),
        (("--by", "steward", "--withdraw", "7", "--reason", "why"), "KB-K42"),
        (("--by", "steward", "--decide", "same"), "needs --pair"),
        (("--by", "steward"), "without a terminal"),
    ],
)
def test_what_cannot_be_done_is_told(pairs: Pairs, arguments: tuple[str, ...], text: str) -> None:
    done = run(pairs, *arguments)
    assert done.returncode != 0
    assert text in done.stderr
    assert not any(value in done.stdout + done.stderr for value in VALUES)
    assert pairs.query("SELECT count(*) FROM identity.pair_decision") == [(0,)]


def test_a_pair_is_shown_and_decided_by_keys(pairs: Pairs) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "link", "review", "--by", "steward"],
        env=environment(pairs),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    shown = _until(ours, "[q]uit: ")
    assert all(value in shown for value in VALUES)
    for keys, then in (("n\n", "[q]uit: "), ("d\n", "Why?"), ("1\n", "[q]uit: "), ("q\n", "")):
        os.write(ours, keys.encode())
        shown = _until(ours, then) if then else ""
    assert process.wait(60) == 0
    os.close(ours)
    assert pairs.query("SELECT verdict, reason, decided_by, seen -> 'pair' FROM identity.pair_decision") == [
        ("different", "Twins, or brothers and sisters", "wetherby", 2)
    ]
    assert [facts["pair"] for _, facts in pairs.events("looked at a pair")][-3:] == [1, 2, 1]


def _until(terminal: int, text: str) -> str:
    found = ""
    while text not in found:
        assert select.select([terminal], [], [], 120)[0], "nothing more is said"
        found += os.read(terminal, 65536).decode("utf-8", errors="replace")
    return found


def test_a_decision_without_a_terminal_is_taken_down_and_withdrawn(pairs: Pairs) -> None:
    done = run(pairs, "--by", "privacy", "--pair", "3", "--decide", "same", "--reason", "day and month changed places")
    assert done.stdout.startswith("Taken down as decision 2.")
    assert run(pairs, "--by", "privacy", "--withdraw", "2", "--reason", "the wrong pair").returncode == 0
    assert pairs.query("SELECT withdraws FROM identity.pair_decision WHERE decision_id = 3") == [(2,)]
