"""What `make demo` does, in order."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from rich.console import Console

from kinbridge.bundled.airflow_api import AirflowApi
from kinbridge.check.declarations import check
from kinbridge.contract.odcs import feeds
from kinbridge.demo.deliveries import drop, prepare
from kinbridge.demo.governance import declare, propose_renewal, refuse_consent
from kinbridge.demo.services import Stack, start_airflow, start_storage
from kinbridge.demo.summary import summarise
from kinbridge.demo.watch import ACTIVE, Watch
from kinbridge.errors import KinbridgeError

PARSE_SECONDS = 90.0
# DAGs that run each morning, and that the demo runs at once.
DAILY = frozenset({"decide", "govern"})
# Columns of the tables where the output is no terminal.
PRINTED_WIDTH = 150


def run_demo(families: int, seed: int, months: int, timeout: float) -> bool:
    """Run it; True when every DAG run but those waiting for a person succeeded and all accounts balance."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PRINTED_WIDTH)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.0f} s[/dim]  {text}", soft_wrap=True)

    today = datetime.now(UTC).date()
    declare(today)
    problems = check()
    if problems:
        raise KinbridgeError("KB-C39", count=len(problems), first=problems[0])
    say("every declaration holds")
    server, dsns, files = start_storage(say)
    folder = prepare(families, seed, months)
    say(f"{drop(files, folder)} file(s) dropped into the partners' inboxes")
    if refuse_consent(dsns["kb_steward"], folder, today):
        say("one family took back its consent to home visiting's records")
    say(f"the renewal of the SNAP agreement is proposal {propose_renewal(dsns['kb_pipeline'])}: ballots are asked for")
    airflow = start_airflow(dsns, files, say)
    stack = Stack(server, dsns, files, airflow)
    api = AirflowApi(airflow)
    receive = {f"receive__{feed.slug}" for feed in feeds().values()}
    _start_dags(api, receive)
    say("DAGs unpaused; Airflow does the rest")
    runs = Watch(api, dsns["kb_steward"], say).until_done(receive, timeout)
    say("done")
    return summarise(console, stack, api, runs, time.monotonic() - began)


def _start_dags(api: AirflowApi, receive: set[str]) -> None:
    """Wait until Airflow knows the DAGs and unpause them.

    A receive DAG that is unpaused for the first time runs its latest schedule at once; one that has run before is
    triggered, and so are those that would wait for the morning.
    """
    wanted = receive | {"integrate"} | DAILY
    deadline = time.monotonic() + PARSE_SECONDS
    while not wanted <= api.dag_ids():
        errors = api.import_errors()
        if errors or time.monotonic() > deadline:
            raise KinbridgeError("KB-S34", missing=", ".join(sorted(wanted - api.dag_ids())), files=", ".join(errors))
        time.sleep(1)
    runs = api.runs()
    for dag_id in sorted(wanted):
        api.unpause(dag_id)
    before = {run["dag_id"] for run in runs}
    active = {run["dag_id"] for run in runs if run["state"] in ACTIVE}
    for dag_id in sorted(((receive & before) | DAILY) - active):
        api.trigger(dag_id)
