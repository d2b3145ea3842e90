"""A feed's first file makes a partition of its own; nothing about the record changes by that."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest
from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from tests.support.deliveries import TODAY, Intake, fates, visit

from kinbridge.load import partition
from kinbridge.load.partition import attach, opened
from kinbridge.load.target import target_of
from kinbridge.receive.load import load_delivery
from kinbridge.warehouse import migrate
from kinbridge.warehouse.connection import Dsn, connect, transaction

EVENTS = "record_feed.service_event__atlas__visits_v1"
ROW = (
    "INSERT INTO record.service_event (source_service_event_id, source_person_id, program, service_date, partner, feed,"
    " delivery_id, line_no, contract_version, as_of, known_from)"
    " VALUES (%s, 'P1', 'home_visiting', '2026-01-01', 'atlas', %s, 1, 1, '1', '2026-01-31', now())"
)


def places(intake: Intake, table: str = "service_event") -> list[tuple[str, int]]:
    return list(
        intake.warehouse.query(f"SELECT tableoid::regclass::text, count(*) FROM record.{table} GROUP BY 1 ORDER BY 1")
    )


def test_the_first_file_and_the_next_ones_stand_in_the_feeds_partition(intake: Intake) -> None:
    assert fates(intake.load(visit(1), visit(2))) == (2, 2, 0, 0, 0)
    assert places(intake) == [(EVENTS, 2)]
    assert fates(intake.load(visit(1), visit(2, minutes=5), visit(3))) == (3, 2, 1, 0, 0)
    assert places(intake) == [(EVENTS, 4)]
    assert [key for key, _ in intake.current()] == ["V1", "V2", "V3"]


def test_a_partition_has_the_indexes_of_its_table(intake: Intake) -> None:
    intake.load(visit(1))
    wanted, found = (
        intake.warehouse.query(
            "SELECT indisunique, regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', '') FROM pg_index "
            f"WHERE indrelid = '{name}'::regclass ORDER BY 2"
        )
        for name in ("record.service_event", EVENTS)
    )
    assert found == wanted
    assert len(found) == 2


def test_a_second_current_row_of_a_key_is_impossible_in_it(intake: Intake) -> None:
    intake.load(visit(1))
    with pytest.raises(psycopg2.errors.UniqueViolation):
        intake.warehouse.query(ROW, ("V1", "atlas/visits_v1"))
    with pytest.raises(psycopg2.errors.UniqueViolation):
        intake.warehouse.query(
            f"INSERT INTO {EVENTS} SELECT * FROM {EVENTS}",
        )


def test_rows_that_come_another_way_are_the_rest_and_no_partition_is_made_beside_them(intake: Intake) -> None:
    """As after a restore: the feed's next file is the first that the ledger knows."""
    intake.warehouse.query(ROW, ("V1", "atlas/visits_v1"))
    intake.load(visit(2))
    assert places(intake) == [("record_feed.service_event__rest", 2)]


def test_a_load_that_fails_leaves_no_partition(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = intake.judge(intake.deliver(visit(1)))

    def fail(*_: Any) -> None:
        raise OSError("here")

    with monkeypatch.context() as patch:
        patch.setattr("kinbridge.receive.load.forget_landed", fail)
        with pytest.raises(OSError, match="here"):
            load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert intake.warehouse.query("SELECT to_regclass(%s)", (EVENTS,)) == [(None,)]
    assert fates(load_delivery(intake.warehouse.pipeline, delivery, TODAY)) == (1, 1, 0, 0, 0)
    assert places(intake) == [(EVENTS, 1)]


def test_a_partition_is_not_the_pipelines_but_it_may_write_it_anew(intake: Intake) -> None:
    intake.load(visit(1))
    for statement in (
        f"SELECT count(*) FROM {EVENTS}",
        f"DELETE FROM {EVENTS}",
        f"INSERT INTO {EVENTS} DEFAULT VALUES",
    ):
        with (
            pytest.raises(psycopg2.errors.InsufficientPrivilege),
            connect(intake.warehouse.pipeline) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    connection = connect(intake.warehouse.pipeline)
    connection.autocommit = True
    before = intake.warehouse.query(f"SELECT pg_relation_filenode('{EVENTS}')")
    connection.cursor().execute("VACUUM (FULL, ANALYZE) record.service_event")
    connection.close()
    assert intake.warehouse.query(f"SELECT pg_relation_filenode('{EVENTS}')") != before


@pytest.mark.parametrize("table", ["delivery", "reference_key", "service_event; SELECT 1"])
def test_a_table_without_partitions_gets_none(intake: Intake, table: str) -> None:
    with transaction(intake.warehouse.pipeline) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT record.open_feed(%s, 'atlas/visits_v1')", (table,))
        assert cursor.fetchone() == (None,)


@pytest.mark.parametrize(
    "call",
    [
        "record.index_feed('service_event', 'atlas/nobody_v1')",
        "record.attach_feed('service_event', 'atlas/nobody_v1')",
    ],
)
def test_the_owners_functions_do_nothing_else(intake: Intake, call: str) -> None:
    with transaction(intake.warehouse.pipeline) as connection, connection.cursor() as cursor:
        cursor.execute("SAVEPOINT here")
        with pytest.raises(psycopg2.errors.RaiseException):
            cursor.execute(f"SELECT {call}")
        cursor.execute("ROLLBACK TO SAVEPOINT here")


def test_only_rows_of_the_feed_can_be_attached(intake: Intake) -> None:
    with transaction(intake.warehouse.pipeline) as connection, connection.cursor() as cursor:
        cursor.execute("SAVEPOINT here")
        cursor.execute("SELECT record.open_feed('service_event', 'atlas/other_v1')")
        [place] = cursor.fetchone()
        cursor.execute(ROW.replace("record.service_event", place), ("V1", "atlas/visits_v1"))
        with pytest.raises(psycopg2.errors.CheckViolation):
            cursor.execute("SELECT record.attach_feed('service_event', 'atlas/other_v1')")
        cursor.execute("ROLLBACK TO SAVEPOINT here")


def test_a_long_name_is_cut_and_told_from_others(intake: Intake) -> None:
    long = [f"atlas/{'many_words_' * 6}{end}" for end in ("a_v1", "b_v1")]
    with transaction(intake.warehouse.pipeline) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT record.open_feed('service_event', feed) FROM unnest(%s) AS feed", (long,))
        names = [name for (name,) in cursor.fetchall()]
        connection.rollback()
    assert len(set(names)) == 2
    assert all(len(name.split(".")[1].strip('"')) <= 63 for name in names)


def test_first_files_of_two_feeds_at_once_both_load(intake: Intake) -> None:
    """Each attaches its partitions to the same tables; the second waits for the first, and neither for ever."""
    first = intake.judge(intake.deliver(visit(1), visit(2)))
    with ThreadPoolExecutor(1) as aside, transaction(intake.warehouse.pipeline) as connection:
        with connection.cursor() as cursor:
            for call in ("open_feed", "index_feed", "attach_feed"):
                cursor.execute(f"SELECT record.{call}('service_event', 'atlas/other_v1')")
        running = aside.submit(load_delivery, intake.warehouse.pipeline, first, TODAY)
        with pytest.raises(TimeoutError):
            running.result(timeout=1)
        connection.commit()
        assert fates(running.result(timeout=60)) == (2, 2, 0, 0, 0)
    assert places(intake) == [(EVENTS, 2)]


def test_first_files_are_loaded_one_after_the_other(intake: Intake) -> None:
    """Each looks into the rest before it locks it; two who had looked would wait for each other for ever."""
    target = target_of("service_event")
    with (
        ThreadPoolExecutor(1) as aside,
        transaction(intake.warehouse.pipeline) as second,
        transaction(intake.warehouse.pipeline) as first,
    ):
        assert opened(first.cursor(), target, "atlas/first_v1") is not None
        running = aside.submit(opened, second.cursor(), target, "atlas/second_v1")
        with pytest.raises(TimeoutError):
            running.result(timeout=1.5)
        attach(first.cursor(), [target.name], "atlas/first_v1")
        first.rollback()
        assert running.result(timeout=10) is not None
        attach(second.cursor(), [target.name], "atlas/second_v1")
        second.rollback()


def test_what_never_ends_is_not_waited_for_for_ever(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "PATIENCE_SECONDS", 0.0)
    with (
        transaction(intake.warehouse.pipeline) as loading,
        transaction(intake.warehouse.linkage) as reading,
    ):
        reading.cursor().execute("SELECT count(*) FROM record.service_event")
        opened(loading.cursor(), target_of("service_event"), "atlas/other_v1")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            attach(loading.cursor(), ["service_event"], "atlas/other_v1")
        loading.rollback()


def test_who_reads_and_who_attaches_never_stand_in_each_others_way(intake: Intake) -> None:
    """Linkage reads for minutes: a first file waits for it, deadlocks with nobody, and keeps nobody waiting behind."""
    feed, tables = "atlas/other_v1", ["person", "family_member"]
    with (
        ThreadPoolExecutor(1) as aside,
        transaction(intake.warehouse.pipeline) as loading,
        transaction(intake.warehouse.linkage) as reading,
    ):
        reader, loader = reading.cursor(), loading.cursor()
        for name in tables:
            loader.execute("SELECT record.open_feed(%s, %s)", (name, feed))
        reader.execute("SELECT count(*) FROM record.person")
        running = aside.submit(attach, loader, tables, feed)
        with pytest.raises(TimeoutError):
            running.result(timeout=1.5)
        with transaction(intake.warehouse.linkage) as third, third.cursor() as other:
            other.execute("SET LOCAL statement_timeout = '1s'")
            other.execute("SELECT count(*) FROM record.person")
        reader.execute("SELECT count(*) FROM record.family_member")
        reading.rollback()
        running.result(timeout=10)
        loader.execute("SELECT relispartition FROM pg_class WHERE relname LIKE '%other_v1'")
        assert loader.fetchall() == [(True,), (True,)]
        loader.execute("SHOW lock_timeout")
        assert loader.fetchone() == ("0",)
        loading.rollback()


def test_a_database_with_rows_keeps_them_where_they_are(new_warehouse: Callable[[], Any]) -> None:
    """From the migration before: every row, grant and index is what it was, under the same names."""
    made = new_warehouse()
    owner: Dsn = made.owner
    made.query("DROP SCHEMA ledger, landing, quarantine, record, record_feed, identity, integrated, mart, release, "
               "retention, migration CASCADE")  # fmt: skip
    engine = create_engine("postgresql+psycopg2://", creator=lambda: connect(owner), poolclass=NullPool)
    with engine.connect() as connection:
        command.upgrade(migrate._config(connection=connection), "0011")
        connection.commit()
    made.query(ROW.replace(", known_from)", ", known_from, row_hash)").replace("now())", "now(), 7)"), ("V1", "a/b_v1"))
    grants = (
        "SELECT c.relname, g.rolname, array_agg(p ORDER BY p) FROM pg_class AS c "
        "CROSS JOIN pg_roles AS g CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MAINTAIN']) AS p "
        "WHERE c.relnamespace = 'record'::regnamespace AND c.relkind IN ('r', 'p') AND g.rolname ~ '^kb_' "
        "AND (has_table_privilege(g.rolname, c.oid, p) "
        "OR p <> 'DELETE' AND p <> 'MAINTAIN' AND has_any_column_privilege(g.rolname, c.oid, p)) "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    )
    before = made.query(grants)
    migrate.migrate(owner)
    assert made.query(grants) == before
    assert made.query("SELECT source_service_event_id, feed FROM record.service_event") == [("V1", "a/b_v1")]
    with pytest.raises(psycopg2.errors.UniqueViolation):
        made.query(ROW, ("V1", "a/b_v1"))
    with pytest.raises(psycopg2.errors.CheckViolation):
        made.query(
            "INSERT INTO record.consent (source_consent_id, source_person_id, decision, effective_from, partner, feed, "
            "delivery_id, line_no, contract_version, as_of, known_from) "
            "VALUES ('c', 'P1', 'perhaps', '2026-01-01', 'a', 'a/b_v1', 1, 1, '1', '2026-01-31', now())"
        )
