"""What is due for destruction, what was destroyed, and incidents."""

from kinbridge.warehouse.migrate import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
