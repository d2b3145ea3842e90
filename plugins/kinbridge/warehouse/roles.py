"""Roles and databases: least privilege, made before the first migration and safe to make again.

`provision` runs as an administrator (a superuser, or a role that may create roles and databases) on the bundled or
on an outside Postgres. Tasks log in as one of the roles below; the owner is used by migrations only. Passwords are
random, kept in one file of mode 0600, and reach the server as scram verifiers only, so that no server log holds one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import Dsn, connect, explained
from kinbridge.warehouse.secret_file import write_private

DATABASE = "kinbridge"
AIRFLOW_DATABASE = "airflow"
OWNER = "kb_owner"
PIPELINE = "kb_pipeline"
LINKAGE = "kb_linkage"
STEWARD = "kb_steward"
ANALYST = "kb_analyst"
AIRFLOW = "airflow"
WAREHOUSE_ROLES = (OWNER, PIPELINE, LINKAGE, STEWARD, ANALYST)
# They need temporary tables for their work; nobody else may fill the disk with them.
TEMPORARY_ROLES = (PIPELINE, LINKAGE)

MINIMUM_VERSION = 170000
ROLES_FILE = "roles.json"

# pg_catalog first and pg_temp last: a function or table of the same name elsewhere is never used by mistake.
CLOSED_PATH = "pg_catalog, pg_temp"
ROLE_SETTINGS: dict[str, dict[str, str]] = {
    OWNER: {"search_path": CLOSED_PATH},
    PIPELINE: {"search_path": CLOSED_PATH},
    LINKAGE: {"search_path": CLOSED_PATH},
    STEWARD: {"search_path": CLOSED_PATH, "statement_timeout": "15min"},
    ANALYST: {
        "search_path": "pg_catalog, mart, pg_temp",
        "statement_timeout": "15min",
        "idle_in_transaction_session_timeout": "10min",
        "default_transaction_read_only": "on",
    },
}
# Error texts quote values. An outside server may log them; where the administrator may say so, it does not for us.
LOG_SETTINGS = {
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
# Large objects are tables of a kind that anybody may make by default.
LARGE_OBJECT_FUNCTIONS = ("lo_creat(integer)", "lo_create(oid)", "lo_from_bytea(oid, bytea)")
FORBIDDEN_ATTRIBUTES = {
    "rolsuper": "NOSUPERUSER",
    "rolcreatedb": "NOCREATEDB",
    "rolcreaterole": "NOCREATEROLE",
    "rolreplication": "NOREPLICATION",
    "rolbypassrls": "NOBYPASSRLS",
}


@dataclass(frozen=True)
class _Admin:
    """The administrator's session and what it may do."""

    cursor: Any
    is_superuser: bool


def provision(
    superuser_dsn: Dsn, folder: Path, *, database: str = DATABASE, airflow_database: str = AIRFLOW_DATABASE
) -> dict[str, Dsn]:
    """Make the databases and roles, or bring them to the declared state; returns the way in for each role.

    Passwords already in `folder/roles.json` are kept, others are made. Raises KB-S20 to KB-S27.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    passwords = _passwords(folder)
    dsns = {
        role: Dsn(
            superuser_dsn.host,
            superuser_dsn.port,
            airflow_database if role == AIRFLOW else database,
            role,
            passwords[role],
            superuser_dsn.sslmode,
        )
        for role in (*WAREHOUSE_ROLES, AIRFLOW)
    }
    # Before the server learns them: a password that only the server knows would be lost.
    write_private(folder / ROLES_FILE, json.dumps({role: dsn.to_url() for role, dsn in dsns.items()}, indent=1) + "\n")
    with explained(superuser_dsn.database):
        connection = connect(superuser_dsn)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                _provision_server(_admin(connection, cursor), connection, dsns, database, airflow_database)
        finally:
            connection.close()
    secure_database(superuser_dsn, dsns[OWNER])
    with explained(airflow_database):
        _as_owner(dsns[AIRFLOW], lambda cursor: _close_to_public(cursor, airflow_database))
    return dsns


def role_dsns(folder: Path) -> dict[str, Dsn]:
    """The way in for each role, as `provision` left it. Raises KB-S07 when that file is gone or torn."""
    file = folder / ROLES_FILE
    try:
        return {role: Dsn.from_url(url) for role, url in json.loads(file.read_text(encoding="utf-8")).items()}
    except (FileNotFoundError, ValueError):
        raise KinbridgeError("KB-S07", file=file) from None


def secure_database(superuser_dsn: Dsn, owner_dsn: Dsn) -> None:
    """Open one database to the warehouse's roles and close it to everybody else."""
    database = owner_dsn.database
    with explained(database):
        connection = connect(superuser_dsn.with_database(database))
        try:
            with connection, connection.cursor() as cursor:
                admin = _admin(connection, cursor)
                if admin.is_superuser:
                    for function in LARGE_OBJECT_FUNCTIONS:
                        cursor.execute(f"REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM PUBLIC")
        finally:
            connection.close()
        _as_owner(owner_dsn, lambda cursor: _grant_database(cursor, database))


def _as_owner(owner_dsn: Dsn, work: Callable[[Any], None]) -> None:
    connection = connect(owner_dsn)
    try:
        with connection, connection.cursor() as cursor:
            work(cursor)
    finally:
        connection.close()


def _close_to_public(cursor: Any, database: str) -> None:
    """Databases give PUBLIC the right to connect and to make temporary tables by default; take both away."""
    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))


def _grant_database(cursor: Any, database: str) -> None:
    """Name who may enter, and keep it so for what is made later."""
    name = sql.Identifier(database)
    _close_to_public(cursor, database)
    # New tables give nobody anything anyway; new functions give PUBLIC the right to run them.
    cursor.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    for role in WAREHOUSE_ROLES:
        rights = "CONNECT, TEMPORARY" if role in TEMPORARY_ROLES else "CONNECT"
        if role != OWNER:
            cursor.execute(sql.SQL("GRANT {} ON DATABASE {} TO {}").format(sql.SQL(rights), name, sql.Identifier(role)))


def _provision_server(
    admin: _Admin, connection: Any, dsns: dict[str, Dsn], database: str, airflow_database: str
) -> None:
    for role, dsn in dsns.items():
        _role(admin, connection, role, dsn.password)
        _role_settings(admin, role)
    _database(admin, database, OWNER)
    _database(admin, airflow_database, AIRFLOW)


def _admin(connection: Any, cursor: Any) -> _Admin:
    if connection.server_version < MINIMUM_VERSION:
        raise KinbridgeError("KB-S27", found=connection.server_version // 10000, needed=MINIMUM_VERSION // 10000)
    cursor.execute("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")
    (is_superuser,) = cursor.fetchone()
    return _Admin(cursor, bool(is_superuser))


def _role(admin: _Admin, connection: Any, role: str, password: str) -> None:
    admin.cursor.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", (role,))
    if admin.cursor.fetchone() is None:
        admin.cursor.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    columns = ", ".join(FORBIDDEN_ATTRIBUTES)
    admin.cursor.execute(f"SELECT {columns} FROM pg_catalog.pg_roles WHERE rolname = %s", (role,))
    # Only what differs: an administrator who is not a superuser may not even repeat NOSUPERUSER.
    wrong = [word for word, has in zip(FORBIDDEN_ATTRIBUTES.values(), admin.cursor.fetchone(), strict=True) if has]
    admin.cursor.execute(
        sql.SQL("ALTER ROLE {} LOGIN {} PASSWORD {}").format(
            sql.Identifier(role),
            sql.SQL(" ".join(wrong)),
            sql.Literal(encrypt_password(password, role, connection, "scram-sha-256")),
        )
    )
    admin.cursor.execute(
        """
        SELECT granted.rolname
        FROM pg_catalog.pg_auth_members AS membership
        INNER JOIN pg_catalog.pg_roles AS granted ON granted.oid = membership.roleid
        INNER JOIN pg_catalog.pg_roles AS member ON member.oid = membership.member
        WHERE member.rolname = %s
        """,
        (role,),
    )
    # No role may act as another: whoever was made a member by hand is taken out again.
    for (granted,) in admin.cursor.fetchall():
        admin.cursor.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(granted), sql.Identifier(role)))


def _role_settings(admin: _Admin, role: str) -> None:
    settings = dict(ROLE_SETTINGS.get(role, {}))
    for name, value in LOG_SETTINGS.items():
        admin.cursor.execute("SELECT pg_catalog.has_parameter_privilege(%s, 'SET')", (name,))
        if admin.cursor.fetchone()[0]:
            settings[name] = value
    for name, value in settings.items():
        # A list must not be quoted as one name.
        text = sql.SQL(value) if name == "search_path" else sql.Literal(value)
        admin.cursor.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(sql.Identifier(role), sql.Identifier(name), text)
        )


def _database(admin: _Admin, database: str, owner: str) -> None:
    admin.cursor.execute(
        """
        SELECT pg_catalog.pg_get_userbyid(datdba)
        FROM pg_catalog.pg_database
        WHERE datname = %s
        """,
        (database,),
    )
    found = admin.cursor.fetchone()
    if found is not None and found[0] != owner:
        raise KinbridgeError("KB-S28", database=database, found=found[0], owner=owner)
    name, owner_name = sql.Identifier(database), sql.Identifier(owner)
    if found is None:
        if not admin.is_superuser:
            # To give a database away one must be able to act as its new owner; taken back below.
            admin.cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER WITH SET TRUE").format(owner_name))
        # Sorted by code point, the same on every machine; upper and lower case know all of Unicode.
        admin.cursor.execute(
            sql.SQL(
                "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
                " LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
            ).format(name, owner_name)
        )
        if not admin.is_superuser:
            admin.cursor.execute(sql.SQL("REVOKE SET OPTION FOR {} FROM CURRENT_USER").format(owner_name))


def _passwords(folder: Path) -> dict[str, str]:
    kept = role_dsns(folder) if (folder / ROLES_FILE).exists() else {}
    return {
        role: kept[role].password if role in kept else secrets.token_urlsafe(32) for role in (*WAREHOUSE_ROLES, AIRFLOW)
    }
