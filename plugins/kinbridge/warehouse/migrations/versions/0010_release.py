"""Releases, whom they are about, what was disclosed, and what recipients were told."""

from kinbridge.warehouse.migrate import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
