"""Pairs that wait for a person, and the looks at them."""

from kinbridge.warehouse.migrate import run_sql

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
