"""Links with a life of their own, membership with history, and what linkage keeps so that it need not begin anew."""

from kinbridge.warehouse.migrate import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
