"""What is built from linked records: families, the integrated tables, the mart."""

from kinbridge.warehouse.migrate import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
