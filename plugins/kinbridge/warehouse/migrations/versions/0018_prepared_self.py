"""An index that finds namesakes among prepared records."""

from kinbridge.warehouse.migrate import run_sql

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
