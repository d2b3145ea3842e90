"""Connections to Postgres: where to connect (`Dsn`), and transactions whose failures quote no data.

A Postgres error message may hold values of the row that broke (`Key (ssn)=(...) already exists`). Nothing of it
passes `transaction`: only SQLSTATE and the names of the schema, table, column and constraint.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg2
import psycopg2.extensions
from sqlalchemy.engine import URL, make_url

from kinbridge.errors import KinbridgeError

CONNECT_SECONDS = 10
APPLICATION = "kinbridge"

# SQLSTATE classes (PostgreSQL 18, appendix A)
CLASS_CONNECTION = "08"
CLASS_AUTHORIZATION = "28"
CLASS_CATALOG = "3D"
CLASS_INTEGRITY = "23"
CLASS_ROLLBACK = "40"
CLASS_RESOURCES = "53"
INSUFFICIENT_PRIVILEGE = "42501"
TOO_MANY_CONNECTIONS = "53300"
ADMIN_SHUTDOWN = ("57P01", "57P02", "57P03")


@dataclass(frozen=True)
class Dsn:
    """Where and as whom to connect; the password is not shown."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    sslmode: str = "prefer"

    @classmethod
    def from_url(cls, url: str) -> Dsn:
        """Read `postgresql://user:password@host:port/database?sslmode=require`. Raises KB-S21 when it is not one."""
        try:
            parsed = make_url(url)
        except Exception:
            # SQLAlchemy's text would repeat the address, password included.
            raise KinbridgeError("KB-S21") from None
        if not (parsed.drivername.startswith("postgres") and parsed.host and parsed.username and parsed.database):
            raise KinbridgeError("KB-S21")
        sslmode = parsed.query.get("sslmode", "prefer")
        return cls(
            host=parsed.host,
            port=parsed.port or 5432,
            database=parsed.database,
            user=parsed.username,
            password=str(parsed.password or ""),
            sslmode=sslmode if isinstance(sslmode, str) else sslmode[0],
        )

    def to_url(self) -> str:
        """As an address that `from_url` reads back; it holds the password."""
        return self._url("postgresql")

    @property
    def sqlalchemy_url(self) -> str:
        """As SQLAlchemy and Great Expectations want it; it holds the password."""
        return self._url("postgresql+psycopg2")

    def with_database(self, database: str) -> Dsn:
        """The same role on another database of the server."""
        return replace(self, database=database)

    def _url(self, driver: str) -> str:
        return URL.create(
            driver,
            username=self.user,
            password=self.password,
            host=self.host,
            port=self.port,
            database=self.database,
            query={"sslmode": self.sslmode},
        ).render_as_string(hide_password=False)


def connect(dsn: Dsn) -> Any:
    """A psycopg2 connection, UTF-8, named for what it is; nothing of the environment (PGOPTIONS) changes it.

    Raises `psycopg2.OperationalError`; use `transaction` where people see the failure.
    """
    return psycopg2.connect(
        host=dsn.host,
        port=dsn.port,
        dbname=dsn.database,
        user=dsn.user,
        password=dsn.password,
        sslmode=dsn.sslmode,
        gssencmode="disable",
        connect_timeout=CONNECT_SECONDS,
        application_name=f"{APPLICATION} {dsn.user}",
        client_encoding="UTF8",
        options="",
    )


@contextlib.contextmanager
def transaction(dsn: Dsn) -> Iterator[Any]:
    """One connection and one transaction: committed at the end, rolled back on any failure, closed always.

    Failures of Postgres become `KinbridgeError` KB-S20 to KB-S26, without the server's text.
    """
    with explained(dsn.database):
        connection = connect(dsn)
        try:
            yield connection
            connection.commit()
        except BaseException:
            with contextlib.suppress(psycopg2.Error):
                connection.rollback()
            raise
        finally:
            connection.close()


@contextlib.contextmanager
def explained(database: str) -> Iterator[None]:
    """Turn failures of psycopg2 inside the block into `KinbridgeError` without the server's text."""
    try:
        yield
    except psycopg2.Error as error:
        raise explain(error, database) from None


def explain(error: psycopg2.Error, database: str) -> KinbridgeError:
    """The error in our words: SQLSTATE and names of tables and constraints, never the message."""
    state: str = error.pgcode or ""
    kind = state[:2]
    diagnosis = error.diag
    schema, table = diagnosis.schema_name, diagnosis.table_name
    facts = {
        "database": database,
        "sqlstate": state or "none",
        "place": ".".join(name for name in (schema, table) if name) or "no table named",
        "constraint": diagnosis.constraint_name or diagnosis.column_name or "unnamed",
    }
    unreachable = (CLASS_CONNECTION, CLASS_AUTHORIZATION, CLASS_CATALOG)
    if kind in unreachable or state in (TOO_MANY_CONNECTIONS, *ADMIN_SHUTDOWN):
        return KinbridgeError("KB-S20", **facts)
    if not state and isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return KinbridgeError("KB-S20", **facts)
    if kind == CLASS_INTEGRITY:
        return KinbridgeError("KB-S22", **facts)
    if kind == CLASS_ROLLBACK:
        return KinbridgeError("KB-S23", **facts)
    if kind == CLASS_RESOURCES:
        return KinbridgeError("KB-S24", **facts)
    if state == INSUFFICIENT_PRIVILEGE:
        return KinbridgeError("KB-S25", **facts)
    return KinbridgeError("KB-S26", **facts)
