"""What linkage has seen of the record, delivery by delivery."""

from kinbridge.warehouse.migrate import run_sql

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
