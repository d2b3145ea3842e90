"""Migrations: verbatim SQL, once however many start at once, and the same offline."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from kinbridge.errors import KinbridgeError
from kinbridge.warehouse import migrate, roles
from kinbridge.warehouse.connection import Dsn, connect

SHAPE = """
SELECT
    table_schema,
    table_name,
    column_name,
    data_type,
    is_nullable
FROM information_schema.columns
WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
ORDER BY table_schema, table_name, column_name
"""


@pytest.fixture
def empty(postgres: Any, role_dsns: dict[str, Dsn], request: pytest.FixtureRequest) -> Iterator[Dsn]:
    """The owner's way into a database without any table."""
    name = f"empty_{abs(hash(request.node.name)) % 10**8}"
    connection = connect(postgres.dsn())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(roles.OWNER)))
        owner = role_dsns[roles.OWNER].with_database(name)
        roles.secure_database(postgres.dsn(), owner)
        yield owner
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    connection.close()


def rows(dsn: Dsn, statement: str) -> list[Any]:
    connection = connect(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())
    finally:
        connection.close()


def test_two_at_once_do_the_work_once(empty: Dsn) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            assert migrate.migrate(empty) == migrate.newest()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert rows(empty, "SELECT version_num FROM migration.kinbridge_version") == [(migrate.newest(),)]


def test_the_offline_script_makes_the_same_warehouse(empty: Dsn, warehouse: Any) -> None:
    connection = connect(empty)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(migrate.migration_sql())
    connection.close()
    shape = rows(empty, SHAPE)
    assert len(shape) > 100
    assert shape == rows(warehouse.owner, SHAPE)
    assert migrate.migrate(empty) == migrate.newest()


def test_sql_is_run_verbatim(empty: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = tmp_path / "100% of it" / "versions"
    versions.mkdir(parents=True)
    (versions.parent / "env.py").write_text((migrate.MIGRATIONS / "env.py").read_text())
    (versions / "0001_signs.py").write_text(
        "from kinbridge.warehouse.migrate import run_sql\n"
        "revision = '0001'\ndown_revision = None\n\n\ndef upgrade() -> None:\n    run_sql(__file__)\n"
    )
    (versions.parent / "0001_signs.sql").write_text(
        "CREATE TABLE migration.signs AS SELECT ':name %s %(x)s %' AS text, 7 % 4 AS rest, '2'::text AS kind;\n"
    )
    monkeypatch.setattr(migrate, "MIGRATIONS", versions.parent)
    assert ":name %s %(x)s %" in migrate.migration_sql()
    migrate.migrate(empty)
    assert rows(empty, "SELECT text, rest, kind FROM migration.signs") == [(":name %s %(x)s %", 3, "2")]


def test_a_migration_that_fails_leaves_nothing_and_quotes_nothing(
    empty: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text((migrate.MIGRATIONS / "env.py").read_text())
    (tmp_path / "versions" / "0001_bad.py").write_text(
        "from kinbridge.warehouse.migrate import run_sql\n"
        "revision = '0001'\ndown_revision = None\n\n\ndef upgrade() -> None:\n    run_sql(__file__)\n"
    )
    (tmp_path / "0001_bad.sql").write_text("CREATE SCHEMA half; SELECT 'canary-1'::integer;")
    monkeypatch.setattr(migrate, "MIGRATIONS", tmp_path)
    with pytest.raises(KinbridgeError) as caught:
        migrate.migrate(empty)
    assert caught.value.code == "KB-S26"
    assert "canary" not in str(caught.value)
    assert rows(empty, "SELECT 1 FROM pg_namespace WHERE nspname IN ('half', 'migration')") == []


def test_each_migration_has_its_sql_and_says_nothing_else() -> None:
    versions = sorted((migrate.MIGRATIONS / "versions").glob("[0-9]*.py"))
    assert versions
    for version in versions:
        assert (migrate.MIGRATIONS / f"{version.stem}.sql").is_file()
        assert "run_sql(__file__)" in version.read_text()
    assert {path.stem for path in migrate.MIGRATIONS.glob("*.sql")} == {path.stem for path in versions}


def test_only_the_owner_can_migrate(warehouse: Any) -> None:
    with pytest.raises(KinbridgeError, match="KB-S25"):
        migrate.migrate(warehouse.pipeline)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        rows(warehouse.pipeline, "SELECT * FROM migration.kinbridge_version")


def test_links_that_each_run_copied_become_lives(empty: Dsn, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = migrate.command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(migrate.command, "upgrade", lambda config, _newest: whole(config, "0015"))
        migrate.migrate(empty)
    connection = connect(empty)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO identity.run (model_version, finished_at) SELECT 'm 1', now() FROM generate_series(1, 4)"
        )
        cursor.execute("INSERT INTO identity.person (person_id, first_run_id) VALUES (gen_random_uuid(), 1)")
        cursor.execute(
            "INSERT INTO identity.person_link (partner, source_person_id, person_id, run_id)"
            " SELECT 'a', '1', person_id, 1 FROM identity.person"
        )
        # The first pair is in every run, the second in the first and the last two, the third in the second only.
        for run, other, chance in [
            *((run, "1", run / 10) for run in (1, 2, 3, 4)),
            *((run, "2", run / 10) for run in (1, 3, 4)),
            (2, "3", 0.2),
        ]:
            cursor.execute(
                "INSERT INTO identity.edge VALUES (%s, 'a', '1', 'b', %s, %s, 'ssn')",
                (run, other, chance),
            )
    connection.close()
    assert migrate.migrate(empty) == migrate.newest()
    assert rows(
        empty,
        "SELECT source_person_id_right, match_probability, since_run_id, until_run_id, ended"
        " FROM identity.edge ORDER BY 1, 3",
    ) == [
        ("1", 0.4, 1, None, None),
        ("2", 0.1, 1, 2, "no link"),
        ("2", 0.4, 3, None, None),
        ("3", 0.2, 2, 3, "no link"),
    ]
    assert rows(empty, "SELECT partner, source_person_id, since_run_id, until_run_id FROM identity.membership") == [
        ("a", "1", 1, None)
    ]
