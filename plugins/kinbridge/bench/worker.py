"""The benchmark's worker: takes one delivery from SFTP to its receipt, and says how long each step took.

Run as `python -m kinbridge.bench.worker` with the ways in as JSON on standard input; the answer is JSON on standard
output. A process of its own, so that its peak memory holds nothing of the servers and of the generator, and all
imports: it starts with nothing but the standard library.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def main() -> int:
    """Work, and answer."""
    began = time.perf_counter()
    from kinbridge.errors import KinbridgeError

    try:
        answer = _work(json.load(sys.stdin))
    except KinbridgeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    answer["total_s"] = time.perf_counter() - began
    answer["worker_peak_mib"] = peak_mebibytes()
    json.dump(answer, sys.stdout)
    return 0


def _work(given: dict[str, Any]) -> dict[str, Any]:
    stages: dict[str, float] = {}

    def timed(stage: str, step: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = step()
        stages[stage] = time.perf_counter() - start
        return result

    # What a step imports is part of its time, as it is in a worker that a scheduler has just started.
    delivery_id = timed("collect", lambda: _collect(given))
    timed("stage", lambda: _stage(given, delivery_id))
    timed("validate", lambda: _validate(given, delivery_id))
    account = timed("load", lambda: _load(given, delivery_id))
    timed("receipt", lambda: _receipt(given, delivery_id))
    return {"stages_s": stages, "account": account}


def _collect(given: dict[str, Any]) -> int:
    from kinbridge.contract.odcs import feed_of
    from kinbridge.receive.collect import collect_feed, gate

    now = datetime.now(UTC)
    granted = gate(_dsn(given), given["feed"], now.date())
    [delivery_id] = collect_feed(_dsn(given), _endpoint(given), feed_of(given["feed"]), granted, now)
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
