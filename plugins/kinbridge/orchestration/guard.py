"""Keeps data out of Airflow's logs: no exception leaves a task with a text that Kinbridge did not word itself.

A driver's error may quote the row that broke; Airflow writes whatever is raised into the task log.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskAwaitingInput

from kinbridge.errors import KinbridgeError

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("kinbridge")

# Failures that trying again cannot mend: agreements, declarations, decisions, disagreeing counts, an undecided hold.
FINAL = ("KB-A", "KB-C", "KB-F", "KB-G", "KB-L", "KB-T")
# So are another host key, a refused log-in (a few more of those close an account) and an endpoint without its keys.
FINAL_CODES = frozenset({"KB-D02", "KB-D03", "KB-D11", "KB-D51", "KB-E01", "KB-E02"})
# A rule is not evaluated either when Postgres goes away in the middle.
# Links are newer than `integrated` until the integration that is under way has ended.
PASSING_CODES = frozenset({"KB-F91", "KB-T25"})


def guarded(what: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a task's function: expected failures show their code and remedy, others their kind and place only."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except (AirflowSkipException, TaskAwaitingInput):
                raise
            except KinbridgeError as error:
                failure = (AirflowFailException if is_final(error) else AirflowException)(str(error))
            except Exception as error:
                failure = AirflowException(str(unexpected(error, what)))
            raise failure from None

        return wrapper

    return decorate


def is_final(error: KinbridgeError) -> bool:
    """Whether the task should fail at once, without trying again."""
    return error.code in FINAL_CODES or (error.code.startswith(FINAL) and error.code not in PASSING_CODES)


def unexpected(error: Exception, what: str) -> KinbridgeError:
    """KB-X01 with the kind and place of an error that nobody expected; its frames go to the log, its text nowhere."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in frames:
        log.info("  at %s:%s in %s", Path(frame.filename).name, frame.lineno, frame.name)
    last = frames[-1]
    return KinbridgeError(
        "KB-X01", kind=type(error).__name__, place=f"{Path(last.filename).name}:{last.lineno}", what=what
    )
