"""Bring the warehouse to its newest shape, or write the SQL that would.

Migrations are `migrations/NNNN_name.sql`, each with two lines of Python in `migrations/versions/` that call `run_sql`.
They run as the owner, in one transaction, under a lock: two that start at once do the work once.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import psycopg2
from alembic import command, context, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from kinbridge.warehouse.connection import Dsn, connect, explain, explained

MIGRATIONS = Path(__file__).parent / "migrations"
# Which migration a database is at; a schema of its own, because the warehouse's schemas are made by the first one.
VERSION_SCHEMA = "migration"
VERSION_TABLE = "kinbridge_version"
# Any number that nothing else in the database locks.
LOCK = 7_260_818_001
LOCK_WAIT = "10min"


def migrate(owner_dsn: Dsn) -> str:
    """Run what is missing; returns the revision that the database is at afterwards. Raises KB-S20 to KB-S26."""
    with explained(owner_dsn.database):
        engine = create_engine("postgresql+psycopg2://", creator=lambda: connect(owner_dsn), poolclass=NullPool)
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
                connection.exec_driver_sql(f"SELECT pg_catalog.pg_advisory_xact_lock({LOCK})")
                command.upgrade(_config(connection=connection), "head")
                connection.commit()
        except DBAPIError as error:
            # SQLAlchemy's text repeats the server's.
            if isinstance(error.orig, psycopg2.Error):
                raise explain(error.orig, owner_dsn.database) from None
            raise
        finally:
            engine.dispose()
    return newest()


def migration_sql() -> str:
    """All migrations as one SQL script, for sites whose database administrators apply changes themselves."""
    output = io.StringIO()
    command.upgrade(_config(output=output), "head", sql=True)
    return output.getvalue()


def newest() -> str:
    """The newest revision that this version of Kinbridge knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or "none"


def run_sql(version_file: str) -> None:
    """Run the SQL file that belongs to a file in `versions/` (same name, `.sql`), verbatim.

    Neither `%` nor `:` in it means anything but itself.
    """
    text = (MIGRATIONS / Path(version_file).with_suffix(".sql").name).read_text(encoding="utf-8")
    if context.is_offline_mode():
        op.get_context().impl.static_output(text)
        return
    # The driver's own cursor, without parameters: SQLAlchemy would read `:name`, psycopg2 with parameters `%`.
    cursor = op.get_bind().connection.cursor()
    cursor.execute(text)
    cursor.close()


def _config(connection: Any = None, output: io.StringIO | None = None) -> Config:
    config = Config(output_buffer=output) if output is not None else Config()
    # A `%` in the path would be taken for a reference to another option.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config
