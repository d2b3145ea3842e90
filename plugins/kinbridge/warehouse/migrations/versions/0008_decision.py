"""Proposals, who was asked, how they voted, and what was decided."""

from kinbridge.warehouse.migrate import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
