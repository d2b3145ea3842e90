"""The assets by which DAGs trigger each other: one for each feed's records, one for the published mart."""

from __future__ import annotations

from airflow.sdk import Asset

from kinbridge.contract.model import Feed


def records_of(feed: Feed | str) -> Asset:
    """What a feed has loaded into `record`. Emitted once for every delivery that was loaded."""
    feed_id = feed if isinstance(feed, str) else feed.id
    return Asset(name=f"record {feed_id}", uri=f"kinbridge://record/{feed_id}")


def inbox_of(feed: Feed) -> Asset:
    """Files that a run has left in a feed's inbox, having enough to do. Emitted so that the next run comes at once."""
    return Asset(name=f"inbox {feed.id}", uri=f"kinbridge://inbox/{feed.id}")


MART = Asset(name="mart", uri="kinbridge://mart")
# Announced by whoever registers a proposal, so that members are asked at once and not only the next morning.
PROPOSAL = Asset(name="proposal", uri="kinbridge://proposal")
