"""Replays of quarantined rows, and what resolved a row."""

from kinbridge.warehouse.migrate import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
