"""Least privilege: every role, every object, every privilege, held against `access_matrix.csv`.

A new table or schema fails here until somebody has written down who may do what with it.
"""

import csv
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from kinbridge.bundled import postgres as bundled_postgres
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse import migrate, roles
from kinbridge.warehouse.connection import Dsn, connect

MATRIX = Path(__file__).with_name("access_matrix.csv")
LESSER = (roles.PIPELINE, roles.LINKAGE, roles.STEWARD, roles.ANALYST, roles.AIRFLOW)

# A privilege on a single column counts as the privilege on its table.
OBJECTS = """
WITH object AS (
    SELECT
        'schema ' || nspname AS name,
        role.rolname AS role,
        privilege,
        has_schema_privilege(role.oid, namespace.oid, privilege) AS held
    FROM pg_namespace AS namespace
    CROSS JOIN pg_roles AS role
    CROSS JOIN unnest(ARRAY['USAGE', 'CREATE']) AS privilege
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL
    SELECT
        nspname || '.' || relname,
        role.rolname,
        privilege,
        has_table_privilege(role.oid, relation.oid, privilege)
        OR CASE
            WHEN privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
                THEN has_any_column_privilege(role.oid, relation.oid, privilege)
            ELSE FALSE
        END
    FROM pg_class AS relation
    INNER JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    CROSS JOIN pg_roles AS role
    CROSS JOIN unnest(
        ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN']
    ) AS privilege
    WHERE relkind IN ('r', 'v', 'm', 'p', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL
    SELECT
        'sequences of ' || nspname,
        role.rolname,
        privilege,
        has_sequence_privilege(role.oid, relation.oid, privilege)
    FROM pg_class AS relation
    INNER JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    CROSS JOIN pg_roles AS role
    CROSS JOIN unnest(ARRAY['SELECT', 'USAGE', 'UPDATE']) AS privilege
    WHERE relkind = 'S'
    UNION ALL
    SELECT
        'functions of ' || nspname,
        role.rolname,
        'EXECUTE',
        has_function_privilege(role.oid, function.oid, 'EXECUTE')
    FROM pg_proc AS function
    INNER JOIN pg_namespace AS namespace ON namespace.oid = function.pronamespace
    CROSS JOIN pg_roles AS role
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL
    SELECT
        'database',
        role.rolname,
        privilege,
        has_database_privilege(role.oid, current_database(), privilege)
    FROM pg_roles AS role
    CROSS JOIN unnest(ARRAY['CONNECT', 'TEMPORARY', 'CREATE']) AS privilege
)
SELECT
    name,
    role,
    coalesce(string_agg(DISTINCT privilege, ' ' ORDER BY privilege) FILTER (WHERE held), '') AS held
FROM object
WHERE role = ANY(%s)
GROUP BY name, role
ORDER BY name, role
"""


def test_every_role_holds_exactly_what_is_declared(warehouse: Any) -> None:
    held: dict[str, dict[str, str]] = {}
    for name, role, privileges in warehouse.query(OBJECTS, (list(LESSER),)):
        held.setdefault(name, {})[role] = privileges
    with MATRIX.open(encoding="utf-8", newline="") as file:
        declared = {row.pop("object"): row for row in csv.DictReader(file)}
    lines = [
        ",".join([name, *(held[name][role] for role in LESSER)]) for name in held if held[name] != declared.get(name)
    ]
    assert held == declared, "in the database, and not so in access_matrix.csv:\n" + "\n".join(lines)
    assert list(declared) == sorted(declared)


def test_the_matrix_gives_the_analyst_nothing_but_reading_the_mart() -> None:
    with MATRIX.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            allowed = {"database": {"CONNECT"}, "schema mart": {"USAGE"}}.get(
                row["object"], {"SELECT"} if row["object"].startswith("mart.") else set()
            )
            assert set(row[roles.ANALYST].split()) <= allowed, row["object"]
            assert row[roles.AIRFLOW] == "", row["object"]


def test_everything_belongs_to_the_owner_who_is_no_superuser(warehouse: Any) -> None:
    owners = warehouse.query(
        """
        SELECT DISTINCT relowner::regrole::text
        FROM pg_class
        INNER JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
        UNION
        SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$|^public$'
        """
    )
    assert owners == [(roles.OWNER,)]
    attributes = warehouse.query(
        """
        SELECT rolname
        FROM pg_roles
        WHERE rolname = ANY(%s)
            AND rolcanlogin
            AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)
            AND NOT EXISTS (SELECT 1 FROM pg_auth_members WHERE member = pg_roles.oid)
        """,
        ([*LESSER, roles.OWNER],),
    )
    assert {name for (name,) in attributes} == {*LESSER, roles.OWNER}


@pytest.mark.parametrize("role", [roles.PIPELINE, roles.LINKAGE, roles.STEWARD, roles.ANALYST])
@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE kb_owner",
        "SET SESSION AUTHORIZATION postgres",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/kinbridge_leak'",
        "SELECT rolpassword FROM pg_authid",
        "SELECT lo_create(0)",
        "SELECT lo_import('/etc/passwd')",
        "CREATE SCHEMA mine",
        "CREATE TABLE public.mine (a text)",
        "CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE sql AS 'SELECT 1'",
        "CREATE EXTENSION dblink",
        "ALTER ROLE CURRENT_USER CREATEROLE",
        "SET log_statement = 'all'",
        "TRUNCATE ledger.delivery",
        "DELETE FROM ledger.event",
        "UPDATE ledger.event SET actor = 'x'",
        "SELECT * FROM migration.kinbridge_version",
    ],
)
def test_ways_out_are_closed(warehouse: Any, role: str, statement: str) -> None:
    connection = connect(warehouse.role(role))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            # What is refused must be refused by a missing right, not by a default that a session can change.
            cursor.execute("SET default_transaction_read_only = off")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
    finally:
        connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        *(f"SELECT * FROM {table}" for table in ("ledger.delivery", "quarantine.source_row", "record.person")),
        *(f"SELECT * FROM identity.{table}" for table in ("person", "person_link", "edge")),
        "CREATE TEMPORARY TABLE mine (a text)",
        "CREATE TABLE mart.mine (a text)",
        "CREATE VIEW mart.mine AS SELECT * FROM record.person",
    ],
)
def test_the_analyst_reaches_no_other_layer(warehouse: Any, statement: str) -> None:
    connection = connect(warehouse.analyst)
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ WRITE")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
    connection.close()


@pytest.mark.parametrize("database", ["postgres", "template1", "airflow"])
@pytest.mark.parametrize("role", [roles.OWNER, roles.PIPELINE, roles.LINKAGE, roles.STEWARD, roles.ANALYST])
def test_no_other_database_can_be_entered(warehouse: Any, role: str, database: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        connect(warehouse.role(role).with_database(database))


def test_airflow_cannot_enter_the_warehouse(warehouse: Any, role_dsns: dict[str, Dsn]) -> None:
    connect(role_dsns[roles.AIRFLOW]).close()
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        connect(role_dsns[roles.AIRFLOW].with_database(warehouse.database))


def test_what_is_new_is_closed_until_it_is_granted(warehouse: Any) -> None:
    owner = connect(warehouse.owner)
    owner.autocommit = True
    analyst = connect(warehouse.analyst)
    analyst.autocommit = True
    with owner.cursor() as making, analyst.cursor() as reading:
        making.execute("CREATE TABLE mart.fresh AS SELECT 1 AS n")
        making.execute("CREATE FUNCTION mart.peek() RETURNS bigint LANGUAGE sql RETURN 1")
        for statement in ("SELECT * FROM mart.fresh", "SELECT mart.peek()"):
            for role in (roles.PIPELINE, roles.LINKAGE, roles.STEWARD):
                other = connect(warehouse.role(role))
                with other.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)
                other.close()
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                reading.execute(statement)
        making.execute("GRANT SELECT ON mart.fresh TO kb_analyst")
        reading.execute("SELECT n FROM fresh")
        assert reading.fetchall() == [(1,)]
        # Read only unless the session says otherwise, and then without the right.
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            reading.execute("INSERT INTO fresh VALUES (2)")
        making.execute("DROP FUNCTION mart.peek; DROP TABLE mart.fresh")
    owner.close()
    analyst.close()


def test_a_function_of_the_same_name_elsewhere_is_not_used(warehouse: Any) -> None:
    connection = connect(warehouse.pipeline)
    with connection.cursor() as cursor:
        cursor.execute("CREATE FUNCTION landing.lower(text) RETURNS text LANGUAGE sql RETURN 'shadow'")
        cursor.execute("CREATE FUNCTION pg_temp.upper(text) RETURNS text LANGUAGE sql RETURN 'shadow'")
        cursor.execute("CREATE TEMPORARY TABLE pg_class (a text)")
        cursor.execute("SELECT lower('A'), upper('a'), count(*) > 100 FROM pg_class")
        assert cursor.fetchone() == ("a", "A", True)
    connection.close()


def test_the_work_each_role_is_there_for_is_possible(warehouse: Any) -> None:
    connection = connect(warehouse.pipeline)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE UNLOGGED TABLE landing.p__f_v1__d1 (line_no bigint, a text)")
        cursor.execute(
            """
            INSERT INTO ledger.delivery (
                partner, feed, file_name, size_bytes, sha256, as_of, contract_version, agreement_id, agreement_version
            )
            VALUES ('p', 'p/f_v1', 'a.csv', 1, 'x', '2026-01-01', '1', 'a', '1')
            RETURNING delivery_id
            """
        )
        (delivery,) = cursor.fetchone()
        cursor.execute("INSERT INTO ledger.event (delivery_id, actor, what) VALUES (%s, 'a', 'b')", (delivery,))
        assert cursor.rowcount == 1
        cursor.execute("CREATE TEMPORARY TABLE work AS SELECT * FROM record.person")
    connection.close()
    connection = connect(warehouse.linkage)
    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO identity.run (model_version) VALUES ('1') RETURNING run_id")
        cursor.execute("SELECT count(*) FROM record.person")
    connection.close()
    connection = connect(warehouse.steward)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM quarantine.source_row, ledger.delivery")
        assert cursor.fetchone() == (0,)
    connection.close()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dsn]:
    """A Postgres of somebody else, whose administrator is no superuser."""
    folder = tmp_path_factory.mktemp("outside")
    service = bundled_postgres.start(folder, durable=False)
    connection = connect(service.dsn())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE admin LOGIN CREATEROLE CREATEDB PASSWORD 'admin'")
        cursor.execute("GRANT CONNECT ON DATABASE postgres TO admin")
    connection.close()
    yield service.dsn()
    bundled_postgres.stop(folder)


def test_an_administrator_who_is_no_superuser_can_provision(outside: Dsn, tmp_path: Path) -> None:
    admin = Dsn(outside.host, outside.port, "postgres", "admin", "admin", "disable")
    with pytest.raises(KinbridgeError, match="KB-S25"):
        roles.provision(
            Dsn(outside.host, outside.port, "postgres", *_plain_role(outside), "disable"), tmp_path / "other"
        )
    dsns = roles.provision(admin, tmp_path)
    assert migrate.migrate(dsns[roles.OWNER]) == migrate.newest()
    assert roles.provision(admin, tmp_path) == dsns
    for role, dsn in dsns.items():
        connect(dsn).close()
        assert role == dsn.user
    # The administrator keeps no way to act as the owner of the data.
    connection = connect(admin)
    with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute("SET ROLE kb_owner")
    connection.close()


def _plain_role(outside: Dsn) -> tuple[str, str]:
    connection = connect(outside)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
        cursor.execute("GRANT CONNECT ON DATABASE postgres TO plain")
    connection.close()
    return "plain", "plain"


def test_provisioning_again_takes_back_what_was_given_by_hand(outside: Dsn, tmp_path: Path) -> None:
    first = roles.provision(outside, tmp_path)
    connection = connect(outside)
    with connection, connection.cursor() as cursor:
        cursor.execute("ALTER ROLE kb_analyst SUPERUSER BYPASSRLS")
        cursor.execute("GRANT kb_owner TO kb_analyst")
        cursor.execute("GRANT TEMPORARY ON DATABASE kinbridge TO PUBLIC")
        cursor.execute("ALTER ROLE kb_analyst PASSWORD 'weak'")
    connection.close()
    assert roles.provision(outside, tmp_path) == first
    assert roles.role_dsns(tmp_path) == first
    connection = connect(first[roles.ANALYST])
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                rolsuper OR rolbypassrls,
                pg_has_role('kb_owner', 'MEMBER'),
                has_database_privilege(current_database(), 'TEMPORARY')
            FROM pg_roles
            WHERE rolname = current_user
            """
        )
        assert cursor.fetchone() == (False, False, False)
    connection.close()
    assert stat.S_IMODE((tmp_path / roles.ROLES_FILE).stat().st_mode) == 0o600
    assert (
        len({Dsn.from_url(url).password for url in json.loads((tmp_path / roles.ROLES_FILE).read_text()).values()}) == 6
    )


def test_a_database_of_somebody_else_is_not_taken_over(outside: Dsn, tmp_path: Path) -> None:
    with pytest.raises(KinbridgeError, match="KB-S28"):
        roles.provision(outside, tmp_path, database="postgres")


def test_lost_passwords_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(KinbridgeError, match="KB-S07"):
        roles.role_dsns(tmp_path)
