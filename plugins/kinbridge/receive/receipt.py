"""Step 5: the receipt, into the partner's outbox, in the partner's own words for its columns."""

from __future__ import annotations

from kinbridge.contract.model import Column, Feed, Kind, Rule
from kinbridge.contract.odcs import feed_of
from kinbridge.contract.rules import rules
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.ledger.deliveries import get
from kinbridge.ledger.events import record_event
from kinbridge.partner.profile import office_contact, read_profile
from kinbridge.receipt.model import Receipt, RuleText
from kinbridge.receipt.read import read_receipt
from kinbridge.receipt.send import send_receipt
from kinbridge.warehouse.connection import Dsn, transaction

ACTOR = "receive.receipt"


def send_receipt_of(dsn: Dsn, endpoint: SftpEndpoint, delivery_id: int) -> None:
    """Send the receipt as the ledger stands now; sending again replaces it."""
    receipt = receipt_of(dsn, delivery_id)
    page, _ = send_receipt(endpoint, receipt)
    with transaction(dsn) as connection:
        record_event(connection, delivery_id, ACTOR, "receipt sent", {"state": receipt.state.value, "outbox": page})


def receipt_of(dsn: Dsn, delivery_id: int) -> Receipt:
    """The receipt of a delivery."""
    with transaction(dsn) as connection:
        delivery = get(connection, delivery_id)
        feed = feed_of(delivery.feed)
        return read_receipt(
            connection,
            delivery_id,
            {rule.id: _text(feed, rule) for rule in rules(feed, feed.columns)},
            partner_name=read_profile(delivery.partner).name,
            feed_title=feed.title,
            contact=office_contact(),
        )


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
