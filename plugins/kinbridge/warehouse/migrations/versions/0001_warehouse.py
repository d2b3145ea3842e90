"""The warehouse's first shape: schemas, tables, grants."""

from kinbridge.warehouse.migrate import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
