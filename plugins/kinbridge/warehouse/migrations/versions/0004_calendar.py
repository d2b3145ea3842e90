"""The calendar's part of the ledger: pauses, mails, and what each mail told."""

from kinbridge.warehouse.migrate import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
