"""One Airflow for the modules that need no fresh one: starting and stopping it takes a minute of two cores.

Each of them finds it at rest, without a run of another module's, and with an empty warehouse of its own. What a module
does to Airflow itself (a killed server, other settings, a search of all that it wrote) needs an Airflow of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.airflow_stack import AirflowStack, running_stack


class SharedAirflow:
    """Started by the first module that visits it; stopped by `close`, after the last."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._stack: AirflowStack | None = None
        self._numbers = itertools.count(2)

    @contextmanager
    def visit(self, folder: Path) -> Iterator[AirflowStack]:
        """The stack for one module; `folder` is used when it has to be started."""
        if self._stack is None:
            self._stack = self._open.enter_context(running_stack(folder))
        else:
            self._stack.move(f"kinbridge_{next(self._numbers)}")
        yield self._stack
        self._stack.rest()

    def close(self) -> None:
        """Stop it if it runs."""
        self._stack = None
        self._open.close()
