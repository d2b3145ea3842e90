"""The gates that `make mutation` takes out are there: each once, in code that still reads as Python without it."""

from __future__ import annotations

import ast

import pytest
from tests.mutation.gates import Gate, declared_gates

from kinbridge.settings import home

GATES = declared_gates()


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_the_gate_stands_where_it_is_said_to(gate: Gate) -> None:
    text = (home() / gate.file).read_text(encoding="utf-8")
    without = gate.removed_from(text)
    if gate.file.endswith(".py"):
        ast.parse(without)
    assert without != text
    assert gate.tests
    for test in gate.tests:
        assert (home() / test.partition("::")[0]).exists()


def test_no_two_gates_are_the_same() -> None:
    assert len({(gate.file, gate.find) for gate in GATES}) == len(GATES)
    assert len({gate.name for gate in GATES}) == len(GATES)


def test_a_gate_that_is_not_there_is_said() -> None:
    with pytest.raises(ValueError, match="stands 0 times"):
        GATES[0].removed_from("nothing")
