"""The benchmark's worker: takes one delivery from SFTP to its receipt, and says how long each step took.

Run as `python -m kinbridge.bench.worker` with the ways in as JSON on standard input; the answer is JSON on standard
output. It does as Airflow's local executor does: what the steps need is imported once, and told apart; then each step
is a process of its own, forked from that, and the peak memory is that of the largest one.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def main() -> int:
    """Work, and answer."""
    began = time.perf_counter()
    from kinbridge.receive import preload

    preload()
    imports = time.perf_counter() - began
    given = json.load(sys.stdin)
    began = time.perf_counter()
    stages: dict[str, float] = {}
    peaks: list[float] = []

    def task(stage: str, step: Callable[..., Any], *facts: Any) -> Any:
        start = time.perf_counter()
        result, peak = _forked(step, given, *facts)
        stages[stage] = time.perf_counter() - start
        peaks.append(peak)
        return result

    try:
        delivery_id = task("collect", _collect)
        task("stage", _stage, delivery_id)
        task("validate", _validate, delivery_id)
        account = task("load", _load, delivery_id)
        task("receipt", _receipt, delivery_id)
    except _TaskFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    ended = time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = {
        "stages_s": stages,
        "total_s": ended - began,
        "cpu_s": used.ru_utime + used.ru_stime,
        "imports_s": imports,
        "worker_peak_mib": max(peaks),
        "account": account,
    }
    json.dump(answer, sys.stdout)
    return 0


class _TaskFailed(Exception):
    """A task's error, in words."""


def _forked(step: Callable[..., Any], *facts: Any) -> tuple[Any, float]:
    """What the step returns from a process of its own, and the most memory in MiB which that held at once."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(theirs, step, facts))
    process.start()
    theirs.close()
    try:
        failed, result, peak = ours.recv()
    except EOFError:
        raise _TaskFailed(f"{step.__name__} ended without an answer") from None
    finally:
        process.join()
    if failed:
        raise _TaskFailed(failed)
    return result, peak


def _run(answer: Connection, step: Callable[..., Any], facts: tuple[Any, ...]) -> None:
    from kinbridge.errors import KinbridgeError

    try:
        result = step(*facts)
    except KinbridgeError as error:
        answer.send((str(error), None, 0.0))
    else:
        answer.send(("", result, peak_mebibytes()))


def _collect(given: dict[str, Any]) -> int:
    from kinbridge.contract.odcs import feed_of
    from kinbridge.receive.collect import collect_feed, gate

    now = datetime.now(UTC)
    granted = gate(_dsn(given), given["feed"], now.date())
    # Behind the new delivery may stand older ones, for a new receipt alone.
    delivery_id, *_ = collect_feed(_dsn(given), _endpoint(given), feed_of(given["feed"]), granted, now).deliveries
    return delivery_id


def _stage(given: dict[str, Any], delivery_id: int) -> None:
    from kinbridge.receive.stage import stage_delivery

    stage_delivery(_dsn(given), delivery_id, datetime.now(UTC).date())


def _validate(given: dict[str, Any], delivery_id: int) -> None:
    from kinbridge.receive.validate import validate_delivery

    validate_delivery(_dsn(given), delivery_id, datetime.now(UTC).date())


def _load(given: dict[str, Any], delivery_id: int) -> dict[str, int]:
    from dataclasses import asdict

    from kinbridge.receive.load import load_delivery

    account = load_delivery(_dsn(given), delivery_id, datetime.now(UTC).date())
    return asdict(account) if account else {}


def _receipt(given: dict[str, Any], delivery_id: int) -> None:
    from kinbridge.receive.receipt import send_receipt_of

    send_receipt_of(_dsn(given), _endpoint(given), delivery_id)


def _dsn(given: dict[str, Any]) -> Any:
    from kinbridge.warehouse.connection import Dsn

    return Dsn.from_url(given["warehouse"])


def _endpoint(given: dict[str, Any]) -> Any:
    from kinbridge.delivery.endpoint import SftpEndpoint

    at = given["sftp"]
    return SftpEndpoint(at["user"], at["host"], at["port"], at["user"], at["host_key"], key_file=Path(at["key_file"]))


def peak_mebibytes() -> float:
    """The most memory that this process held at once.

    `VmHWM` belongs to the program. `ru_maxrss` would do elsewhere, but on Linux a program begins with the peak of the
    process that started it.
    """
    if STATUS.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB", STATUS.read_text(encoding="ascii"), re.MULTILINE)
        if found:
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
