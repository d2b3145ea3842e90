"""The failure cases' common ground: an agency whose files are taken to the record, and the default pass of each case.

The default pass, after whatever went wrong was mended: (a) every source row has one fate; (b) no value of the files is
anywhere that it should not be; (c) what went wrong was said in one clear error; (d) the state is that of a clean run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.agency import PARTNER, Agency, rows
from tests.support.canaries import STEM, Canaries, Scanner
from tests.support.deliveries import TODAY, VISITS, visit
from tests.support.state import state_of, unbalanced

from kinbridge.agreement.gate import permit
from kinbridge.agreement.reader import read_agreements
from kinbridge.contract.odcs import feed_of
from kinbridge.decision.approvals import read_approvals
from kinbridge.delivery import collect as collect_module
from kinbridge.delivery import transfer
from kinbridge.delivery.collect import collect
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.delivery.plan import Collected
from kinbridge.errors import KinbridgeError, catalogue
from kinbridge.ledger.states import State
from kinbridge.receipt.findings_file import findings_file
from kinbridge.receipt.render import render_html, render_json
from kinbridge.receive.collect import plan_of
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery
from kinbridge.settings import landing_folder
from kinbridge.warehouse.connection import transaction

MAY, JUNE = "visits_202605.csv", "visits_202606.csv"
# A column that the agreement does not allow: what it holds must be nowhere at all.
SECRET = f"{STEM}secret"


def visits(first: int, count: int, minutes: int = 60, *, padding: int = 0) -> list[str]:
    """Sound rows, full of canaries; `padding` makes each longer by so many bytes that are never staged."""
    return [
        visit(n, f"{STEM}{n}", "01/01/2026", minutes, "00501", "H", f"{SECRET}{n}{'x' * padding}")
        for n in range(first, first + count)
    ]


def spoilt(number: int, *good: str) -> list[str]:
    """These rows, a row that breaks a critical rule with a canary, and the first of the good ones again."""
    return [*good, visit(number, f"{STEM}{number}", f"{STEM}day", 60), *good[:1]]


# June is long enough to be cut into pieces, and says something else of some visits of May.
SOUND = {
    MAY: rows(*spoilt(900, *visits(1, 200))),
    JUNE: rows(*spoilt(901, *visits(150, 200, 45, padding=1500))),
}


@dataclass
class Casework(Agency):
    """An agency on any server, with every step to the record, and the sinks that are searched for canaries."""

    logs: dict[Path, int] = field(default_factory=dict)  # and how much of each was there before
    said: list[str] = field(default_factory=list)  # what people were told
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        server = self.server
        places = [getattr(server, "log", server.folder / "sftp.log")]
        [(data,)] = self.warehouse.query("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
        places += sorted(Path(data).parent.glob("*log"))
        self.logs = {path: path.stat().st_size for path in places if path.is_file()}

    def endpoint(self, **changes: Any) -> SftpEndpoint:
        """The way to the server; with another port, for example."""
        facts = {
            "partner": PARTNER,
            "host": self.server.host,
            "port": self.server.port,
            "user": getattr(self.server, "user", self.account),
            "host_key": self.server.host_key,
            "key_file": self.server.keys[self.account],
        }
        return SftpEndpoint(**{**facts, **changes})

    def put(self, *names: str) -> None:
        """Put the sound files there, all of them if none is named."""
        for name in names or SOUND:
            self.drop(name, SOUND[name])

    def collect(self, endpoint: SftpEndpoint | None = None, **options: Any) -> Collected:
        """One run of collect; what it tells of single files is kept."""
        plan = plan_of(feed_of(VISITS), permit(VISITS, TODAY, read_agreements(), read_approvals(None)))
        found = collect(
            endpoint or self.endpoint(),
            plan,
            self.warehouse.pipeline,
            landing_folder(),
            **{"settle_seconds": 0.02, **options},
        )
        self.said += [f"{one.code} {one.file} {one.reason}" for one in found.waiting]
        self.said += [f"{one.code} {one.file} {one.cause}" for one in found.refused]
        return found

    def receive(self, **options: Any) -> Collected:
        """One run of collect, and everything it found to the record. Great Expectations is left out."""
        found = self.collect(**options)
        for delivery in [*found.unfinished, *found.new]:
            self.work_off(delivery)
        return found

    def retry(self, **options: Any) -> Collected:
        """The same once more, as a task that tries again: what an earlier try registered is its to work on."""
        return self.receive(resume_since=self.began, **options)

    def work_off(self, delivery: int) -> None:
        """Stage, validate and load one delivery, unless it is held or refused on the way."""
        stage_delivery(self.warehouse.pipeline, delivery, TODAY)
        if not self.delivery(delivery).state.settled:
            self.intake.judge(delivery)
        if self.delivery(delivery).state is not State.HELD:
            load_delivery(self.warehouse.pipeline, delivery, TODAY)

    @contextmanager
    def error(self, code: str, *names: str) -> Iterator[None]:
        """What is done ends in this error, which names the agency, what is given, and what to do next."""
        with pytest.raises(KinbridgeError) as caught:
            yield
        text = str(caught.value)
        assert caught.value.code == code, text
        assert [name for name in (code, PARTNER, *names, caught.value.entry.remedy) if name not in text] == [], text
        self.said.append(text)

    def told(self, found: Collected, name: str) -> str:
        """The code under which a run told of one file that it did not take; it has a remedy."""
        [code] = [one.code for one in [*found.waiting, *found.refused] if one.file == name]
        assert catalogue()[code].remedy
        return code

    def passes(self, clean: dict[str, str], *, swept: bool = True) -> None:
        """The default pass: (a), (b) and (d) now; (c) of all that was said on the way."""
        assert unbalanced(self.warehouse.superuser) == []
        assert self.warehouse.query("SELECT 1 FROM ledger.account WHERE undecided > 0") == []
        assert not swept or self.landed() == []
        assert self.leaks() == {}
        found = state_of(self.warehouse.superuser)
        assert {name: found[name] for name in clean} == clean

    def leaks(self) -> dict[str, set[str]]:
        """Where values of the files stand and should not: logs, words, receipts, ledger, landed files, other tables."""
        scanner = Scanner(Canaries())
        sinks = {"what people were told": "\n".join(self.said).encode()}
        for path, before in self.logs.items():
            with path.open("rb") as file:
                file.seek(before)
                sinks[path.name] = file.read()
        for (delivery,) in self.warehouse.query("SELECT delivery_id FROM ledger.delivery"):
            receipt = self.receipt(delivery)
            with transaction(self.warehouse.pipeline) as connection:
                sent = render_json(receipt) + render_html(receipt) + findings_file(connection, receipt)
            sinks[f"receipt {delivery}"] = sent
        ledger = self.warehouse.query("SELECT tablename FROM pg_tables WHERE schemaname = 'ledger'")
        content = self.warehouse.query(
            " UNION ALL ".join(
                f"SELECT '{name}', string_agg(t::text, ' ') FROM ledger.{name} AS t" for (name,) in ledger
            )
        )
        sinks |= {f"ledger.{name}": str(rows).encode() for name, rows in content}
        found = {name: forms for name, content in sinks.items() if (forms := scanner.forms(content))}
        if tables := self._holding(SECRET):
            found["tables that hold what the agreement does not allow"] = tables
        return found

    def _holding(self, text: str) -> set[str]:
        """The tables of the warehouse in which this text stands anywhere, asked for at once."""
        names = self.warehouse.query(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        each = "SELECT %s WHERE EXISTS (SELECT FROM {} AS t WHERE t::text LIKE %s)"
        parameters = tuple(part for (name,) in names for part in (name, f"%{text}%"))
        return {
            str(name)
            for (name,) in self.warehouse.query(" UNION ALL ".join(each.format(name) for (name,) in names), parameters)
        }

    def leave(self) -> None:
        """Empty the whole inbox too: these cases leave odd names there."""
        for path in self.inbox.iterdir():
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
        super().leave()


@contextmanager
def between_looks(action: Callable[[], object]) -> Iterator[None]:
    """Do this once in the pause between collect's two looks at the inbox, instead of waiting."""
    todo = [action]

    def pause(_: float) -> None:
        if todo:
            todo.pop()()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect_module, "time", SimpleNamespace(sleep=pause, time=time.time, monotonic=time.monotonic))
        yield


@contextmanager
def before_bytes(action: Callable[[], object], name: str = JUNE) -> Iterator[None]:
    """Do this once when this file is open on the server and described, and before its first bytes are asked for."""
    todo = [action]
    create = transfer._Download._create

    def first(self: Any, part: Path) -> int:
        if todo and self.remote.endswith(f"/{name}"):
            todo.pop()()
        return create(self, part)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer._Download, "_create", first)
        yield


@contextmanager
def before_download(action: Callable[[], object]) -> Iterator[None]:
    """Do this once when the first file is about to be fetched, after both looks."""
    todo = [action]
    download = collect_module.download

    def first(*arguments: Any, **options: Any) -> Any:
        if todo:
            todo.pop()()
        return download(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect_module, "download", first)
        yield
