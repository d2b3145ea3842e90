"""Fixtures for every test: a real Postgres, a migrated warehouse, a real SFTP server, the shared data.

Nothing is replaced by a stand-in. One Postgres serves the whole session; each test module gets a database of its own,
copied from a migrated one in a fraction of a second.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from tests.support import lookout, openssh, packaged_postgres
from xdist.scheduler import LoadScopeScheduling

from kinbridge.bundled import postgres as bundled_postgres
from kinbridge.bundled import sftp as bundled_sftp
from kinbridge.bundled.postgres import PostgresService
from kinbridge.bundled.sftp import SftpService
from kinbridge.settings import home
from kinbridge.warehouse import migrate, roles
from kinbridge.warehouse.connection import Dsn, connect

TEMPLATE = "kinbridge_template"
# Modules that start an Airflow: one after the other on one worker, and first, since they take longest.
AIRFLOW_MODULES = (
    "test_airflow_end_to_end",
    "test_canaries",
    "test_decide_dag",
    "test_govern_dag",
    "test_review_page",
)
SFTP_PARTNERS = ("medicaid", "snap", "home_visiting")


class ModuleScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each worker a module at a time, for its tests share a database; those with an Airflow are as one."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return "airflow" if Path(module).stem in AIRFLOW_MODULES else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ModuleScheduling:
    """How tests are shared out among workers."""
    return ModuleScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, or one worker would be left alone with it in the end."""
    items.sort(key=lambda item: item.path.stem not in AIRFLOW_MODULES)


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of the failure cases."""
    config.addinivalue_line("markers", "case(*numbers): shows these cases of docs/failure-cases.md")


@dataclass(frozen=True)
class Warehouse:
    """One migrated database, and the way in for each role."""

    database: str
    superuser: Dsn
    owner: Dsn
    pipeline: Dsn
    linkage: Dsn
    steward: Dsn
    analyst: Dsn

    def role(self, name: str) -> Dsn:
        """The way in by the role's name in Postgres: `kb_analyst` or `superuser`."""
        dsn: Dsn = getattr(self, name.removeprefix("kb_"))
        return dsn

    def query(self, statement: str, parameters: tuple[object, ...] | None = None) -> list[tuple[object, ...]]:
        """Rows of one statement run by the superuser; for arranging and looking, not for what is tested."""
        return lookout.rows(self.superuser, statement, parameters)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresService]:
    """A bundled Postgres for the session; not durable, since its data is thrown away."""
    folder = tmp_path_factory.mktemp("bundled postgres")
    service = bundled_postgres.start(folder, durable=False)
    yield service
    bundled_postgres.stop(folder)


@pytest.fixture(scope="session")
def role_dsns(postgres: PostgresService, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dsn]:
    """The roles on the session's Postgres, with a migrated database that others are copied from."""
    folder = tmp_path_factory.mktemp("roles")
    dsns = roles.provision(postgres.dsn(), folder, database=TEMPLATE)
    migrate.migrate(dsns[roles.OWNER])
    return dsns


@pytest.fixture(scope="session")
def new_warehouse(postgres: PostgresService, role_dsns: dict[str, Dsn]) -> Iterator[Callable[[], Warehouse]]:
    """Makes one more migrated, empty database; for tests that need their own."""
    with _warehouses(postgres, role_dsns) as make:
        yield make


@pytest.fixture(scope="session")
def new_packaged_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Warehouse]]:
    """The same on a Postgres as Debian packages it; skips where there is none."""
    with packaged_postgres.running() as server:
        dsns = roles.provision(server.dsn(), tmp_path_factory.mktemp("packaged roles"), database=TEMPLATE)
        migrate.migrate(dsns[roles.OWNER])
        with _warehouses(server, dsns) as make:
            yield make


@contextmanager
def _warehouses(postgres: Any, role_dsns: dict[str, Dsn]) -> Iterator[Callable[[], Warehouse]]:
    """Copies of a server's migrated database, dropped at the end."""
    names = (f"kinbridge_test_{number}" for number in itertools.count(1))
    connection = connect(postgres.dsn())
    connection.autocommit = True
    made: list[str] = []

    def make() -> Warehouse:
        name = next(names)
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
                    sql.Identifier(name), sql.Identifier(TEMPLATE), sql.Identifier(roles.OWNER)
                )
            )
        made.append(name)
        dsns = {role: dsn.with_database(name) for role, dsn in role_dsns.items()}
        # A copy has the tables' grants, but not the database's own.
        roles.secure_database(postgres.dsn(), dsns[roles.OWNER])
        return Warehouse(
            database=name,
            superuser=postgres.dsn(name),
            owner=dsns[roles.OWNER],
            pipeline=dsns[roles.PIPELINE],
            linkage=dsns[roles.LINKAGE],
            steward=dsns[roles.STEWARD],
            analyst=dsns[roles.ANALYST],
        )

    yield make
    for name in made:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    connection.close()


@pytest.fixture(scope="module")
def warehouse(new_warehouse: Callable[[], Warehouse]) -> Warehouse:
    """A fresh, migrated database for the test module."""
    return new_warehouse()


@pytest.fixture
def pipeline(warehouse: Warehouse) -> Iterator[psycopg2.extensions.connection]:
    """A connection as the pipeline, rolled back and closed after the test."""
    connection = connect(warehouse.pipeline)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpService]:
    """A real bundled SFTP server with three partners; each test uses folders or file names of its own."""
    folder = tmp_path_factory.mktemp("bundled sftp")
    service = bundled_sftp.start(folder, SFTP_PARTNERS)
    yield service
    bundled_sftp.stop(folder)


@pytest.fixture(scope="session")
def openssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openssh.OpenSsh]:
    """A real OpenSSH server with the same partners; skips where `sshd` is not installed."""
    with openssh.running(tmp_path_factory.mktemp("openssh"), SFTP_PARTNERS) as service:
        yield service


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The third-party data beside the project."""
    folder = home().parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the third-party data in ../shared/data")
    return folder
