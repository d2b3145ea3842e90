"""Tables of the record with a partition for each feed."""

from kinbridge.warehouse.migrate import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
