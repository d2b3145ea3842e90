"""Addresses hide their password; failures of the database quote no data."""

import logging
import traceback
from typing import Any

import psycopg2
import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import Dsn, connect, transaction

CANARY = "canary-100009868"
AWKWARD = "p@ss/w:rd %?#&="


def test_the_password_is_not_shown_and_survives_an_address() -> None:
    dsn = Dsn("127.0.0.1", 5433, "kinbridge", "kb_pipeline", AWKWARD, "require")
    assert AWKWARD not in repr(dsn)
    assert Dsn.from_url(dsn.to_url()) == dsn
    assert dsn.sqlalchemy_url.startswith("postgresql+psycopg2://kb_pipeline:")
    assert Dsn.from_url(dsn.sqlalchemy_url) == dsn


@pytest.mark.parametrize(
    "url",
    [f"mysql://u:{CANARY}@h/d", f"{CANARY}", f"postgresql://u:{CANARY}@h", f"postgresql://u:{CANARY}@h:port/d", ""],
)
def test_a_wrong_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(KinbridgeError) as caught:
        Dsn.from_url(url)
    assert caught.value.code == "KB-S21"
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_the_environment_changes_nothing(warehouse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=landing")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGAPPNAME", "other")
    connection = connect(warehouse.pipeline)
    with connection.cursor() as cursor:
        shown = []
        for name in ("search_path", "client_encoding", "application_name"):
            cursor.execute(f"SHOW {name}")
            shown.append(cursor.fetchone()[0])
    connection.close()
    assert shown == ["pg_catalog, pg_temp", "UTF8", "kinbridge kb_pipeline"]


INSERT = """
INSERT INTO ledger.delivery (
    partner, feed, file_name, size_bytes, sha256, as_of, contract_version, agreement_id, agreement_version, state
)
VALUES ('p', 'p/f_v1', %(name)s, 1, %(sha)s, '2026-01-01', '1', 'a', '1', %(state)s)
"""


def insert_and_fail(dsn: Dsn) -> None:
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(INSERT, {"name": "undone", "sha": "2", "state": "collected"})
        raise RuntimeError


def test_a_transaction_commits_at_the_end_and_not_before(warehouse: Any) -> None:
    with transaction(warehouse.pipeline) as connection, connection.cursor() as cursor:
        cursor.execute(INSERT, {"name": "kept", "sha": "1", "state": "collected"})
    with pytest.raises(RuntimeError):
        insert_and_fail(warehouse.pipeline)
    assert warehouse.query("SELECT file_name FROM ledger.delivery WHERE sha256 IN ('1', '2')") == [("kept",)]


@pytest.mark.parametrize(
    ("statement", "code", "names"),
    [
        (INSERT, "KB-S22", ("ledger.delivery", "ck_delivery_state", "23514")),
        (f"SELECT '{CANARY}'::integer", "KB-S26", ("22P02",)),
        ("SELECT * FROM identity.person", "KB-S25", ("42501",)),
        (f'SELECT * FROM ledger."{CANARY}"', "KB-S26", ("42P01",)),
    ],
)
def test_failures_name_constraints_and_never_values(
    warehouse: Any, statement: str, code: str, names: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        pytest.raises(KinbridgeError) as caught,
        transaction(warehouse.pipeline) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, {"name": CANARY, "sha": CANARY, "state": CANARY} if "%(" in statement else None)
    assert caught.value.code == code
    for name in names:
        assert name in str(caught.value)
    shown = str(caught.value) + caplog.text
    # The driver's error is its context, which a plain traceback does not print.
    assert caught.value.__suppress_context__
    assert CANARY not in shown


def test_an_unreachable_server_is_explained(warehouse: Any) -> None:
    for dsn in (
        Dsn("127.0.0.1", 1, "kinbridge", "kb_pipeline", CANARY),
        Dsn(warehouse.owner.host, warehouse.owner.port, warehouse.database, "kb_pipeline", CANARY),
        warehouse.pipeline.with_database("nowhere"),
    ):
        with pytest.raises(KinbridgeError) as caught, transaction(dsn):
            pass
        assert caught.value.code == "KB-S20"
        assert CANARY not in str(caught.value)


def meet(dsn: Dsn, other: Any) -> None:
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT n FROM landing.pair")
        with other, other.cursor() as meanwhile:
            meanwhile.execute("UPDATE landing.pair SET n = 1 WHERE id = 1")
        cursor.execute("UPDATE landing.pair SET n = 2 WHERE id = 1")


def test_two_that_meet_are_told_to_run_again(warehouse: Any) -> None:
    warehouse.query("CREATE TABLE landing.pair (id integer PRIMARY KEY, n integer)")
    warehouse.query("INSERT INTO landing.pair VALUES (1, 0), (2, 0)")
    warehouse.query("GRANT SELECT, UPDATE ON landing.pair TO kb_pipeline")
    other = connect(warehouse.superuser)
    with pytest.raises(KinbridgeError) as caught:
        meet(warehouse.pipeline, other)
    other.close()
    assert caught.value.code == "KB-S23"


def test_connect_itself_raises_the_drivers_error(warehouse: Any) -> None:
    with pytest.raises(psycopg2.OperationalError):
        connect(warehouse.pipeline.with_database("nowhere"))
