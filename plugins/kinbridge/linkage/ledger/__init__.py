"""The link ledger in the warehouse: what is prepared, compared and judged, and what is written down of it."""
