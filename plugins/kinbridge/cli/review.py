"""`kinbridge link review`: pairs of records that a person decides on, one after the other.

Values are shown on the screen of a steward, and each look is in the ledger before. Lists hold counts and numbers of
pairs.
"""

from __future__ import annotations

import getpass
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kinbridge.cli.printable import printable
from kinbridge.cli.way_in import StewardUrl, steward_dsn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from kinbridge.review.desk import Desk
    from kinbridge.review.look import Look

MARKS = {"same": "=", "different": "≠", "one side": "·"}
KEYS = {"s": "same", "d": "different", "u": "unsure", "n": "next", "q": "quit"}


def review_command(
    *,
    only_list: Annotated[bool, typer.Option("--list", help="Count and list what waits; no values, no look.")] = False,
    pair: Annotated[int | None, typer.Option(help="Only this pair, by its number in the list.")] = None,
    decision: Annotated[
        str | None, typer.Option("--decide", help="same, different or unsure, without asking; needs --pair, --reason.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, without anything that stands in the records.")] = None,
    take_back: Annotated[int | None, typer.Option("--withdraw", help="Withdraw this decision; needs --reason.")] = None,
    most: Annotated[int, typer.Option(min=1, help="List at most so many pairs.")] = 25,
    as_json: Annotated[bool, typer.Option("--json", help="List as JSON.")] = False,
    by: Annotated[str | None, typer.Option(help="Who you are, as the charter has it; by default your log-in.")] = None,
    url: StewardUrl = None,
) -> None:
    """Show the pairs that wait, the most worth first, side by side, and take decisions down. Each look is an event."""
    from rich.console import Console

    from kinbridge.review.desk import desk_of
    from kinbridge.review.look import look_at
    from kinbridge.review.reviewer import reviewer_named
    from kinbridge.review.terms import read_terms
    from kinbridge.review.verdict import decide, withdraw

    if decision is not None and (pair is None or not reason):
        raise typer.BadParameter("--decide needs --pair and --reason")
    if take_back is not None and not reason:
        raise typer.BadParameter("--withdraw needs --reason")
    terms = read_terms()
    reviewer = reviewer_named(by or getpass.getuser(), terms, datetime.now(UTC).date())
    desk = desk_of(steward_dsn(url), reviewer, terms)
    console = Console(highlight=False, markup=False, emoji=False)
    if take_back is not None:
        number = withdraw(desk, take_back, reason or "")
        console.print(f"Withdrawn by decision {number}. The next linkage follows it.")
    elif decision is not None and pair is not None:
        number = decide(desk, pair, look_at(desk, pair).look_id, decision, reason or "")
        console.print(f"Taken down as decision {number}. The next linkage follows it.")
    elif only_list or as_json:
        _list(console, desk, most, as_json=as_json)
    elif not sys.stdin.isatty():
        raise typer.BadParameter("without a terminal, use --list, --decide or --withdraw")
    else:
        _review(console, desk, pair)


def _list(console: Console, desk: Desk, most: int, *, as_json: bool) -> None:
    from rich.table import Table

    from kinbridge.review.queue import counts, waiting
    from kinbridge.review.verdict import concord
    from kinbridge.warehouse.connection import transaction

    with transaction(desk.dsn) as connection:
        found = waiting(connection, desk, most=most)
        states = counts(connection, desk)
        rates = concord(connection)
    if as_json:
        plain = {
            "waiting": {state.value: count for state, count in states.items()},
            "pairs": [one.as_plain() for one in found],
            "reviewers": [
                {"reviewers": [one.first, one.second], "pairs": one.pairs, "agreed": one.agreed, "kappa": one.kappa}
                for one in rates
            ],
        }
        typer.echo(json.dumps(plain, indent=1))
        return
    told = ", ".join(f"{count} {state.value}" for state, count in states.items() if count)
    console.print(f"{sum(states.values())} pair(s) wait for {desk.reviewer.name}{f': {told}' if told else ''}.")
    if found:
        table = Table("pair", "why", "partners", "probability", "worth", "what hangs on it", box=None, pad_edge=False)
        for one in found:
            table.add_row(
                str(one.pair_id),
                one.state.value if one.apart is None else f"{one.state.value}, {one.apart}",
                f"{one.partner_left}, {one.partner_right}",
                f"{one.probability:.3f}",
                f"{one.worth:.2f}",
                one.stakes,
            )
        console.print(table)
    for rate in rates:
        kappa = "not known" if rate.kappa is None else f"{rate.kappa:.2f}"
        console.print(
            f"{rate.first} and {rate.second} agree on {rate.agreed} of {rate.pairs} pair(s); Cohen's kappa {kappa}."
        )


def _review(console: Console, desk: Desk, pair: int | None) -> None:
    from kinbridge.errors import KinbridgeError
    from kinbridge.review.look import look_at
    from kinbridge.review.queue import after
    from kinbridge.review.verdict import decide
    from kinbridge.warehouse.connection import transaction

    number = pair
    if number is None:
        with transaction(desk.dsn) as connection:
            number = after(connection, desk)
    while number is not None:
        look = look_at(desk, number)
        show(console, look)
        key = ""
        while key not in KEYS:
            key = console.input("[s]ame, [d]ifferent, [u]nsure, [n]ext, [q]uit: ", markup=False).strip().lower()[:1]
        if key == "q":
            return
        if key != "n":
            try:
                reason = _reason(console, desk, KEYS[key])
                decision = decide(desk, number, look.look_id, KEYS[key], reason)
                console.print(f"Taken down as decision {decision}.")
            except KinbridgeError as error:
                console.print(str(error))
                continue
        if pair is not None:
            return
        with transaction(desk.dsn) as connection:
            number = after(connection, desk, number)
    console.print("Nothing more waits.")


def _reason(console: Console, desk: Desk, verdict: str) -> str:
    offered = desk.terms.reasons[verdict]
    for index, text in enumerate(offered, start=1):
        console.print(f"  {index} {text}")
    given = ""
    while not given:
        given = console.input("Why? A number, or your own words without anything of the records: ").strip()
    return offered[int(given) - 1] if given.isdecimal() and 1 <= int(given) <= len(offered) else given


def show(console: Console, look: Look) -> None:
    """Print a pair: the two records side by side, how each comparison came out, and what hangs on it."""
    from rich.table import Table
    from rich.text import Text

    case, waits = look.case, look.waits
    why = "not in your queue" if waits is None else waits.state.value
    console.rule(f"Pair {case.pair_id}: {why}{f', kept apart as {case.apart}' if case.apart else ''}")
    table = Table("", look.left.partner, look.right.partner, "", "how it agrees", "bits", box=None, pad_edge=False)
    table.columns[-1].justify = "right"
    for group in look.groups:
        one = group.comparison
        told = (one.label, f"{one.bits:+.1f}" if one.level else "") if one else ("", "")
        for row in group.rows:
            table.add_row(
                row.column.replace("_", " "),
                Text(printable(row.left)),
                Text(printable(row.right)),
                MARKS[row.agreement],
                *told,
                style="bold" if row.agreement == "different" else "",
            )
            told = ("", "")
        if one and not group.rows:
            table.add_row(one.name.replace("_", " "), "", "", "", *told)
    table.add_row("", "", "", "", "how rare one person is among such pairs", f"{case.prior:+.1f}", end_section=True)
    table.add_row("", "", "", "", f"all together; a link needs {case.link:+.1f}", f"{case.weight:+.1f}", style="bold")
    table.add_row("also this person", _others(look.left.others), _others(look.right.others))
    table.add_row("served now by", ", ".join(look.left.programs), ", ".join(look.right.programs))
    console.print(table)
    if waits is not None:
        console.print(f"{waits.stakes[0].upper()}{waits.stakes[1:]}. {waits.alike} such pair(s) wait.")


def _others(others: Mapping[str, int]) -> str:
    return ", ".join(f"{count} of {partner}" for partner, count in others.items()) or "nobody else"
