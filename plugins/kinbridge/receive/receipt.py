"""Step 5: the receipt, into the partner's outbox, in the partner's own words for its columns."""

from __future__ import annotations

from typing import Any

from kinbridge.contract.model import Column, Feed, Kind, Rule
from kinbridge.contract.odcs import feed_of
from kinbridge.contract.rules import rules
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.ledger.deliveries import get
from kinbridge.ledger.events import record_event
from kinbridge.partner.profile import office_contact, read_profile
from kinbridge.receipt.findings_file import findings_file
from kinbridge.receipt.model import Receipt, RuleText
from kinbridge.receipt.outdated import SENT
from kinbridge.receipt.read import read_receipt
from kinbridge.receipt.send import send_receipt
from kinbridge.warehouse.connection import Dsn, transaction

ACTOR = "receive.receipt"


def send_receipt_of(dsn: Dsn, endpoint: SftpEndpoint, delivery_id: int) -> None:
    """Send the receipt as the ledger stands now; sending again replaces it, after a replay or a correction too."""
    with transaction(dsn) as connection:
        # All figures and lines as of one moment.
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        receipt = _read(connection, delivery_id)
        findings = findings_file(connection, receipt)
    page, *_ = send_receipt(endpoint, receipt, findings)
    with transaction(dsn) as connection:
        record_event(connection, delivery_id, ACTOR, SENT, {"state": receipt.state.value, "outbox": page})


def receipt_of(dsn: Dsn, delivery_id: int) -> Receipt:
    """The receipt of a delivery."""
    with transaction(dsn) as connection:
        return _read(connection, delivery_id)


def _read(connection: Any, delivery_id: int) -> Receipt:
    delivery = get(connection, delivery_id)
    feed = feed_of(delivery.feed)
    return read_receipt(
        connection,
        delivery_id,
        rule_texts(feed),
        partner_name=read_profile(delivery.partner).name,
        feed_title=feed.title,
        contact=office_contact(),
        headers={column.name: column.header for column in feed.columns},
    )


def rule_texts(feed: Feed) -> dict[str, RuleText]:
    """Every rule of the feed in the partner's own words, by its id."""
    return {rule.id: _text(feed, rule) for rule in rules(feed, feed.columns)}


def _text(feed: Feed, rule: Rule) -> RuleText:
    columns = tuple(feed.column(name).header for name in rule.columns)
    return RuleText(rule.id, rule.code, columns, expected(feed, rule))


def expected(feed: Feed, rule: Rule) -> str:
    """What the rule expects, in words made of declarations; never of data."""
    match rule.kind:
        case Kind.TYPE:
            return _type_in_words(feed.column(rule.columns[0]))
        case Kind.RANGE | Kind.ROW_COUNT:
            return _range_in_words(rule)
        case Kind.REFERENCE if rule.reference:
            return rule.reference.feed
        case Kind.BAD_SHARE:
            return f"{feed.max_bad_row_share:.1%}"
        case Kind.DRIFT:
            return f"{feed.drift_share:.0%}"
        case Kind.CLOSED_SHARE:
            return f"{feed.extent.max_closed_share:.0%}"
        case Kind.SHRUNK:
            return f"{feed.shrink_below:.0%}"
        case _:
            return ""


def _type_in_words(column: Column) -> str:
    if column.logical_type == "date":
        return f"a date written {column.date_format}"
    return {"integer": "a whole number", "number": "a number"}[column.logical_type]


def _range_in_words(rule: Rule) -> str:
    low, high = (
        None if limit is None else limit.replace("asOf", "the end of the period")
        for limit in (rule.minimum, rule.maximum)
    )
    if low is None:
        return f"values up to {high}"
    return f"values from {low} on" if high is None else f"{low} to {high}"
