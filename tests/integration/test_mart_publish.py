"""What analysts read of a state's worth of random children: right where shown, and nothing small shown or reckoned."""

from __future__ import annotations

import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import psycopg2
import pytest
from psycopg2.extras import execute_values
from tests.support.gates import FEEDS, open_gates

from kinbridge.errors import KinbridgeError
from kinbridge.integration import publish
from kinbridge.integration.publish import Publication, publish_mart
from kinbridge.warehouse.connection import connect, transaction

PROGRAMS = ("early_intervention", "home_visiting", "medicaid", "snap")
COUNTIES = [f"990{number:02}" for number in range(1, 24, 2)]
MONTHS = [date(2026, 1, 1), date(2026, 2, 1)]
CHILDREN = 2000

Served = dict[tuple[date, str], tuple[str, ...]]


class State:
    """A random population, kept in Python too, so that every figure can be counted a second way."""

    def __init__(self) -> None:
        draw = random.Random(7)
        self.persons: dict[str, tuple[date, str | None, str | None, str | None]] = {}
        self.family: dict[str, str] = {}
        self.spells: list[tuple[str, str, date, date | None]] = []
        family = ""
        for number in range(CHILDREN):
            child = str(uuid.UUID(int=draw.getrandbits(128)))
            if number % 3 != 1:
                family = str(uuid.UUID(int=draw.getrandbits(128)))
            county = draw.choices(COUNTIES, [2**-place for place in range(12)])[0]
            race = draw.choices(["White", "Asian", "HispanicOrLatino", None], [6, 1, 3, 1])[0]
            language = draw.choices(["eng", "spa", "som", None], [8, 3, 1, 0.5])[0]
            self.persons[child] = (date(draw.randint(2020, 2025), draw.randint(1, 12), 1), race, language, county)
            self.family[child] = family
            for program, chance in zip(PROGRAMS, (0.08, 0.25, 0.7, 0.5), strict=True):
                if draw.random() < chance:
                    start = date(2025, 12, 1) + timedelta(days=draw.randint(0, 80))
                    end = start + timedelta(days=draw.randint(0, 60)) if draw.random() < 0.5 else None
                    self.spells.append((child, program, start, end))
        self.referrals = [
            (number, child, draw.choice(["snap", "snap", "wic"]), draw.choices(COUNTIES, range(1, 13))[0])
            for number, child in enumerate(draw.sample(sorted(self.persons), 300))
        ]
        self.outcomes = {number: draw.choice(["became_service", "no_service"]) for number, *_ in self.referrals}

    def served(self) -> Served:
        """By month and child: the programs of the month, of children under six on its last day."""
        found: dict[tuple[date, str], set[str]] = defaultdict(set)
        for month in MONTHS:
            last = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            for child, program, start, end in self.spells:
                born = self.persons[child][0]
                if start <= last and (end is None or end >= month) and born > date(month.year - 6, month.month, 1):
                    found[month, child].add(program)
        return {key: tuple(sorted(programs)) for key, programs in found.items()}


def groups(programs: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The rows that one child or family with these programs counts in."""
    yield "combination", " + ".join(programs)
    yield "total", "any program"
    for program in programs:
        yield "program", program


@pytest.fixture(scope="module")
def state() -> State:
    return State()


@pytest.fixture(scope="module")
def loaded(new_warehouse: Callable[[], Any], state: State) -> Any:
    """A database whose integrated tables hold the population, before anything is published."""
    warehouse = new_warehouse()
    with transaction(warehouse.owner) as connection, connection.cursor() as cursor:
        for number, month in enumerate(MONTHS, start=1):
            cursor.execute(
                "INSERT INTO ledger.delivery (delivery_id, partner, feed, file_name, size_bytes, sha256, period, as_of,"
                " contract_version, agreement_id, agreement_version, state) OVERRIDING SYSTEM VALUE"
                " VALUES (%s, 'snap', 'snap/participation_v1', 'f', 1, %s, %s, %s, '1', 'a', '1', 'accepted')",
                (number, str(number), month, month),
            )
            cursor.execute("INSERT INTO ledger.load (delivery_id, targets) VALUES (%s, '{}')", (number,))
            cursor.execute("INSERT INTO ledger.account (delivery_id, source_rows, loaded) VALUES (%s, 7, 7)", (number,))
        cursor.execute("INSERT INTO identity.integrated_feed (feed) SELECT unnest(%s)", (list(FEEDS),))
        execute_values(
            cursor,
            "INSERT INTO integrated.person (person_id, birth_month, race_ethnicity, language, county_fips) VALUES %s",
            [(child, *facts) for child, facts in state.persons.items()],
        )
        execute_values(
            cursor,
            "INSERT INTO integrated.family (person_id, family_id) VALUES %s",
            list(state.family.items()),
        )
        execute_values(cursor, "INSERT INTO integrated.participation VALUES %s", state.spells)
        execute_values(
            cursor,
            "INSERT INTO integrated.referral (referral_id, person_id, referred_to_program, referral_date, county_fips,"
            " observable, service_start_date, days_to_service, outcome) VALUES %s",
            [
                (number, child, program, "2026-01-10", county, program != "wic", *outcome(state, number, program))
                for number, child, program, county in state.referrals
            ],
        )
    return warehouse


def outcome(state: State, number: int, program: str) -> tuple[str | None, int | None, str]:
    if program == "wic":
        return None, None, "not_observable"
    if state.outcomes[number] == "became_service":
        return "2026-01-30", 20, "became_service"
    return None, None, "no_service"


@pytest.fixture(scope="module")
def published(loaded: Any) -> Publication:
    return publish_mart(loaded.linkage, open_gates())


def read(warehouse: Any, statement: str) -> list[tuple[Any, ...]]:
    """As an analyst."""
    with transaction(warehouse.analyst) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def test_children_and_families_are_right_where_shown(loaded: Any, published: Publication, state: State) -> None:
    children: Counter[Any] = Counter()
    of_family: dict[tuple[date, str], set[str]] = defaultdict(set)
    for (month, child), programs in state.served().items():
        children.update((month, *group) for group in groups(programs))
        of_family[month, state.family[child]].update(programs)
    families: Counter[Any] = Counter()
    for (month, _), programs_of_family in of_family.items():
        families.update((month, *group) for group in groups(tuple(sorted(programs_of_family))))
    rows = read(loaded, "SELECT month, grouping, programs, children, families FROM mart.children_served")
    assert {row[:3] for row in rows} >= set(children) | set(families)
    for *key, shown_children, shown_families in rows:
        for true, shown in [(children[tuple(key)], shown_children), (families[tuple(key)], shown_families)]:
            assert shown is None or shown == true
            assert shown is None or not 1 <= true <= 10
    totals = [row for row in rows if row[1] != "combination"]
    assert all(row[3] is not None for row in totals), "safety is not bought by publishing nothing"


def test_characteristics_are_right_and_what_is_withheld_stays_unknown(
    loaded: Any, published: Publication, state: State
) -> None:
    true: Counter[Any] = Counter()
    for (month, child), programs in state.served().items():
        facts = dict(zip(("race_ethnicity", "language", "county"), state.persons[child][1:], strict=True))
        born = state.persons[child][0]
        months = 12 * (month.year - born.year) + month.month - born.month
        for characteristic, value in [*facts.items(), ("age_group", str(months // 12))]:
            for program in ("any program", *programs):
                true[month, program, characteristic, value or "unknown"] += 1
    rows = read(loaded, "SELECT month, program, characteristic, value, children FROM mart.children_by_characteristic")
    shown = {tuple(key): children for *key, children in rows}
    assert set(shown) >= set(true)
    withheld: dict[Any, list[int]] = defaultdict(list)
    for key, children in shown.items():
        assert children is None or children == true[key]
        if children is None:
            withheld[key[:3]].append(true[key])
        else:
            assert not 1 <= children <= 10
            total = shown[key[0], "any program", *key[2:]]
            assert total is None or not 1 <= total - children <= 10, "children who are not in the program"
    totals = {
        (month, programs): children
        for month, programs, children in read(
            loaded, "SELECT month, programs, children FROM mart.children_served WHERE grouping <> 'combination'"
        )
    }
    for (month, program, _), counts in withheld.items():
        if totals[month, program] is not None:
            assert len(counts) > 1, "one withheld value beside a total is no secret"
            assert sum(counts) > 10


def test_referrals_are_right_and_add_up_to_nothing_small(loaded: Any, published: Publication, state: State) -> None:
    true: Counter[Any] = Counter()
    for number, _, program, county in state.referrals:
        for group in ("any program", program):
            for place in ("any county", county):
                true[group, place, "referrals"] += 1
                true[group, place, outcome(state, number, program)[2]] += 1
    names = ["referrals", "became_service", "no_service", "already_served", "not_observable"]
    columns = f"program, county, {', '.join(names)}, share_became_service, median_days_to_service"
    rows = read(loaded, f"SELECT {columns} FROM mart.referral_outcomes")
    assert len(rows) == len({key[:2] for key in true})
    shown = {(row[0], row[1], name): row[2 + at] for row in rows for at, name in enumerate(names)}
    for key, n in shown.items():
        assert n is None or (n == true[key] and not 1 <= n <= 10)
    for program, county in {key[:2] for key in true}:
        row = [name for name in names[1:] if shown[program, county, name] is None]
        if shown[program, county, "referrals"] is not None and row:
            assert len(row) > 1
            assert sum(true[program, county, name] for name in row) > 10
    for *_, became, none, _, _, share, median in rows:
        assert (share is None) or float(share) == pytest.approx(became / (became + none), abs=5e-5)
        assert median is None or (median == 20 and became > 10)


def test_publication_reports_its_own_share(loaded: Any, published: Publication) -> None:
    ((figures, withheld),) = read(loaded, "SELECT figures, withheld FROM mart.publication")
    nulls = (
        "SELECT (SELECT sum(children_withheld::int + families_withheld::int) FROM mart.children_served)"
        " + (SELECT count(*) FROM mart.children_by_characteristic WHERE withheld)"
        " + (SELECT sum(referrals_withheld::int + became_service_withheld::int + no_service_withheld::int"
        " + already_served_withheld::int + not_observable_withheld::int) FROM mart.referral_outcomes)"
    )
    ((null_cells,),) = read(loaded, nulls)
    assert withheld == null_cells == published.small + published.protecting
    assert published.share_withheld == pytest.approx(withheld / figures)
    assert published.protecting < published.small


def test_rows_of_small_deliveries_and_coverage(loaded: Any, published: Publication) -> None:
    assert read(loaded, "SELECT DISTINCT source_rows FROM mart.data_as_of") == [(None,)]
    coverage = read(loaded, "SELECT month, feed, delivered FROM mart.month_coverage ORDER BY month")
    assert coverage == [(month, "snap/participation_v1", True) for month in MONTHS]


def contents(warehouse: Any) -> list[Any]:
    return [
        sorted(map(repr, read(warehouse, f"SELECT * FROM mart.{table}")))
        for table in ("children_served", "children_by_characteristic", "referral_outcomes")
    ]


def test_publishing_again_withholds_the_same(loaded: Any, published: Publication) -> None:
    before = contents(loaded)
    assert publish_mart(loaded.linkage, open_gates()) == published
    assert contents(loaded) == before


def test_nothing_is_published_when_safety_is_undecided(
    loaded: Any, published: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(loaded)

    def undecided(*_: Any) -> None:
        raise KinbridgeError("KB-M02", cells=1)

    monkeypatch.setattr(publish, "suppress", undecided)
    with pytest.raises(KinbridgeError, match="KB-M02"):
        publish_mart(loaded.linkage, open_gates())
    assert contents(loaded) == before


def test_without_the_engine_the_tables_refuse_small_counts(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second safeguard, tested by removing the first."""
    monkeypatch.setattr(publish, "_withhold", lambda *_: None)
    with pytest.raises(KinbridgeError, match="KB-S22"):
        publish_mart(loaded.linkage, open_gates())


@pytest.mark.parametrize("table", ["integrated.person", "integrated.family", "identity.family_child"])
def test_analysts_see_the_mart_only(loaded: Any, published: Publication, table: str) -> None:
    connection = connect(loaded.analyst)
    try:
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(f"SELECT * FROM {table}")
    finally:
        connection.close()


def test_every_table_and_column_is_explained(loaded: Any) -> None:
    unexplained = loaded.query(
        """
        SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname)
        FROM pg_class AS c
        INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
        INNER JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE n.nspname IN ('integrated', 'mart')
            AND c.relkind IN ('r', 'v')
            AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)
        """
    )
    assert unexplained == []
