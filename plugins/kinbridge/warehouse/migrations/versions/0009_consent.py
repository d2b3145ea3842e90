"""Consent of persons, in effective and in known time, and who is withheld from which use case."""

from kinbridge.warehouse.migrate import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
