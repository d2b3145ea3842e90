"""The review page: HTML of the queue, a pair and the past decisions, made on the server. Reads files only.

Values are escaped by the template engine, always; nothing here logs. The page needs no script: the one that there is
gives keys to the buttons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kinbridge.errors import KinbridgeError
from kinbridge.review.desk import Desk
from kinbridge.review.look import Look
from kinbridge.review.queue import State, Waiting
from kinbridge.review.reviewer import names_of
from kinbridge.review.verdict import Concord, Decided

FOLDER = Path(__file__).parent
LISTED = 100
# Widest bar, and the weight in bits that fills it.
BAR, FULL = 60, 15.0
ABBREVIATIONS = {"ssn": "SSN", "snap": "SNAP"}
VERDICT_WORDS = {"same": "one person", "different": "two people", "unsure": "cannot tell"}
WHY = {
    State.DISAGREED: "reviewers disagree",
    State.OPEN: "nobody has decided",
    State.UNSURE: "others could not tell",
    State.SECOND: "second opinion",
}


def queue_page(base: str, desk: Desk, counts: Mapping[State, int], pairs: Sequence[Waiting]) -> str:
    """The queue: how many pairs wait and why, and the first `LISTED` in their order. No values."""
    return _render("queue.html.j2", base=base, desk=desk, counts=counts, pairs=pairs, here="queue")


def pair_page(
    base: str,
    desk: Desk,
    look: Look,
    token: str,
    *,
    done: int | None = None,
    problem: str | None = None,
    given: Mapping[str, str] | None = None,
) -> str:
    """The two records of a look side by side, with the form that decides. `done` is the decision just taken down."""
    filled = {"verdict": "", "reason": "", **(given or {})}
    return _render(
        "pair.html.j2",
        base=base,
        desk=desk,
        look=look,
        case=look.case,
        token=token,
        done=done,
        problem=problem,
        given=filled,
        names=names_of(),
        empty=[group.comparison.name for group in look.groups if group.comparison and not group.rows],
        here="pair",
    )


def decided_page(base: str, desk: Desk, past: Sequence[Decided], rates: Sequence[Concord], token: str) -> str:
    """The newest decisions, how far reviewers agree, and a form to withdraw each that stands. No values."""
    return _render(
        "decided.html.j2", base=base, desk=desk, past=past, rates=rates, names=names_of(), token=token, here="decided"
    )


def error_page(base: str, title: str, text: str) -> str:
    """A page that says why there is nothing to see."""
    return _render("error.html.j2", base=base, title=title, text=text, here="")


def text_of(error: KinbridgeError) -> tuple[str, str]:
    """Title and text of an expected failure."""
    return error.entry.title, str(error)


def static_file(name: str) -> tuple[bytes, str] | None:
    """Content and type of a file that the pages refer to; None for any other name."""
    kinds = {"review.css": "text/css; charset=utf-8", "keys.js": "text/javascript; charset=utf-8"}
    return ((FOLDER / name).read_bytes(), kinds[name]) if name in kinds else None


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(words=_words, moment=_moment, bits=_bits, bar=_bar)
    environment.globals.update(why=WHY, verdict_words=VERDICT_WORDS, bar_width=BAR, listed=LISTED)
    return environment


def _words(name: str) -> str:
    """`first_name` as words."""
    return ABBREVIATIONS.get(name) or name.replace("_", " ")


def _moment(value: datetime) -> str:
    moment = value.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _bits(value: float) -> str:
    """A weight with its sign; the minus is one, not a hyphen."""
    return f"{value:+.1f}".replace("-", "−")


def _bar(value: float) -> int:
    """How far a bar reaches, in the drawing's units."""
    return round(min(abs(value), FULL) / FULL * BAR)
