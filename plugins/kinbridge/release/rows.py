"""The rows of a release as CSV, in memory, and what they were made of. Nothing here is ever a file."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from psycopg2 import sql

from kinbridge.contract.odcs import feeds as all_feeds
from kinbridge.errors import KinbridgeError
from kinbridge.release.documents import CODE_COLUMN
from kinbridge.release.model import Extract

# More than this is not a named extract any more.
MOST_BYTES = 512 * 1024 * 1024


def rows_csv(cursor: Any, extract: Extract, release_id: int) -> bytes:
    """The file as CSV, in the order of the codes, which is no order of persons."""
    columns = sql.SQL(", ").join(sql.SQL("extract_row.{}").format(sql.Identifier(c.name)) for c in extract.columns)
    query = sql.SQL(
        "COPY (SELECT member.code AS {0}, {1} FROM pg_temp.extract_row "
        "INNER JOIN release.member ON member.release_id = {2} AND member.person_id = extract_row.person_id "
        "ORDER BY member.code, {1}) TO STDOUT WITH (FORMAT csv, HEADER true, ENCODING 'UTF8')"
    ).format(sql.Identifier(CODE_COLUMN), columns, sql.Literal(release_id))
    buffer = _Bounded(extract.name)
    cursor.copy_expert(query, buffer)
    return buffer.getvalue()


class _Bounded(io.BytesIO):
    """Bytes in memory, up to `MOST_BYTES`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def write(self, chunk: Any) -> int:
        if self.tell() + len(chunk) > MOST_BYTES:
            raise KinbridgeError("KB-T19", name=self._name, most=MOST_BYTES)
        return super().write(chunk)


def period_of(cursor: Any, extract: Extract) -> tuple[date | None, date | None]:
    """The first and the last day of which the loads of the extract's feeds speak."""
    cursor.execute(
        """
        SELECT min(coalesce(delivery.period, delivery.as_of)), max(delivery.as_of)
        FROM ledger.delivery
        INNER JOIN ledger.load USING (delivery_id)
        WHERE delivery.feed = ANY(%s)
        """,
        (list(extract.feeds),),
    )
    first, last = cursor.fetchone()
    return first, last


def feeds_behind(cursor: Any, names: Iterable[str]) -> Mapping[str, object]:
    """For each feed the loads that were in the record, and the versions of contract and transform."""
    cursor.execute(
        """
        SELECT
            delivery.feed,
            count(*),
            max(delivery.delivery_id),
            max(delivery.as_of)::text
        FROM ledger.delivery
        INNER JOIN ledger.load USING (delivery_id)
        WHERE delivery.feed = ANY(%s)
        GROUP BY delivery.feed
        """,
        (sorted(names),),
    )
    loads = {feed: (number, last, as_of) for feed, number, last, as_of in cursor.fetchall()}
    found: dict[str, object] = {}
    for name in sorted(names):
        feed = all_feeds()[name]
        number, last, as_of = loads.get(name, (0, None, None))
        transform = (feed.folder / "transform.sql").read_bytes()
        found[name] = {
            "contract": feed.version,
            "transform_sha256": hashlib.sha256(transform).hexdigest(),
            "deliveries": number,
            "last_delivery": last,
            "as_of": as_of,
        }
    return found
