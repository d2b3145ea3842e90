"""Persons that are known by another id now."""

from kinbridge.warehouse.migrate import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
