"""Decisions of people on pairs of source persons."""

from kinbridge.warehouse.migrate import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
