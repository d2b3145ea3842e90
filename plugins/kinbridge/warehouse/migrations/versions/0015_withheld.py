"""Who is withheld, found for all use cases at once; elements that an agreement does not give."""

from kinbridge.warehouse.migrate import run_sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Run the SQL file of this name."""
    run_sql(__file__)
