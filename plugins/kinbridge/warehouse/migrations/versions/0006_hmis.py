"""Exits that are rows of their own, and what the common schema has no element for."""

from kinbridge.warehouse.migrate import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
