"""Pairs that wait for a person, and the looks at them."""

from kinbridge.warehouse.migrate import run_sql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
