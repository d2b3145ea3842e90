"""Relations and households over time; what consent withholds from linkage, by feed and use."""

from kinbridge.warehouse.migrate import run_sql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
