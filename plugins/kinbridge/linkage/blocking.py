"""Which pairs of records are compared at all.

Input: the table `cleaned`; output: the table `candidate` with the pairs that agree on every column of at least one
blocking rule, each once, under the number of the first rule that found it. A key shared by too many records says too
little about a person and is left out, and broad rules are narrowed until the work stays within the model's limit: so
the same rules lose few true pairs among a thousand records and stay affordable among a million.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.model import Duplicates, Model
from kinbridge.linkage.model_check import TOO_BROAD
from kinbridge.linkage.purpose import Only, everybody


def rule_name(columns: Sequence[str]) -> str:
    """The name of a blocking rule, as it stands beside an edge."""
    return " + ".join(columns)


def sources_with(engine: Engine, model: Model, habit: Duplicates) -> str:
    """The sources that list a person twice as `habit` says, as a list of SQL's; NULL where there is none."""
    sources = [source for (source,) in engine.rows("SELECT DISTINCT source FROM cleaned ORDER BY source")]
    chosen = [exp.Literal.string(source).sql("duckdb") for source in sources if model.duplicates(source) == habit]
    return ", ".join(chosen) or "NULL"


def rules_of(model: Model) -> tuple[tuple[str, ...], ...]:
    """All blocking rules by their numbers; those of few records come last."""
    return (*model.blocking, *model.blocking_of_few)


def find_candidates(engine: Engine, model: Model, records: int, only: Only = everybody) -> dict[str, int]:
    """Make the table `candidate` (match_key, join_key_l, join_key_r) and return the pairs that each rule added.

    `match_key` is the position of the rule in `rules_of`, as Splink wants it; `join_key_l < join_key_r` are record
    numbers. `only` leaves out the pairs that may not be compared.
    """
    rules = rules_of(model)
    few = records <= model.limits["few_records"]
    parts = [_pairs_sql(number, columns, records) for number, columns in enumerate(rules)]
    union = "\nUNION ALL\n".join(parts if few else _affordable(engine, model, records))
    _make_candidates(
        engine,
        model,
        f"""
        SELECT
            min(match_key)::VARCHAR AS match_key,
            join_key_l,
            join_key_r
        FROM ({only(union, "join_key_l", "join_key_r")})
        GROUP BY join_key_l, join_key_r
        """,
    )
    counted = engine.rows("SELECT match_key::INTEGER AS rule, count(*) FROM candidate GROUP BY rule ORDER BY rule")
    return {rule_name(rules[number]): int(count) for number, count in counted}


def _affordable(engine: Engine, model: Model, records: int) -> list[str]:
    """SQL for the pairs of each rule, narrowed so that all of them stay within the model's budget."""
    left_out = int(min(model.limits["pairs_per_record"] * records, model.limits["pairs_at_most"]))
    parts = []
    commonplace = _commonplace(engine, model)
    for number, columns in enumerate(model.blocking):
        if commonplace.intersection(columns):
            continue
        size, pairs = _block_size(engine, columns, model.limits["block_size"], left_out)
        if pairs == 0:
            continue
        left_out -= pairs
        parts.append(_pairs_sql(number, columns, size))
    return parts or ["SELECT 0 AS match_key, 0 AS join_key_l, 0 AS join_key_r WHERE false"]


def _make_candidates(engine: Engine, model: Model, pairs: str) -> None:
    """Make the table `candidate` of `pairs`; ids of a source that never lists a person twice are no pair."""
    single = sources_with(engine, model, "none")
    if single == "NULL":
        engine.make("candidate", pairs)
        return
    engine.make(
        "candidate",
        f"""
        SELECT pair.*
        FROM ({pairs}) AS pair
        INNER JOIN cleaned AS left_record ON left_record.record = pair.join_key_l
        INNER JOIN cleaned AS right_record ON right_record.record = pair.join_key_r
        WHERE left_record.source <> right_record.source OR left_record.source NOT IN ({single})
        """,
    )


def _commonplace(engine: Engine, model: Model) -> set[str]:
    """The broad columns in which nearly all records agree: where all live in one city, it would only use up pairs."""
    broad = sorted({column for columns in model.blocking if len(columns) > 1 for column in columns} & TOO_BROAD)
    shares = "\nUNION ALL\n".join(
        f"""
        SELECT '{column}' AS name, sum(size * size) / (sum(size) * sum(size)) AS share
        FROM (SELECT count(*)::DOUBLE AS size FROM cleaned WHERE {column} IS NOT NULL GROUP BY {column})
        """
        for column in broad
    )
    found = engine.rows(shares) if broad else []
    return {name for name, share in found if share is not None and share > model.limits["commonplace"]}


def _block_size(engine: Engine, columns: Sequence[str], limit: float, budget: int) -> tuple[int, int]:
    """The largest block, at most `limit` records, with which a rule stays within `budget` pairs, and its pairs."""
    rows = engine.rows(
        f"""
        SELECT
            size,
            sum(count(*) * (size * (size - 1) // 2)) OVER (ORDER BY size) AS pairs
        FROM (SELECT count(*) AS size FROM cleaned WHERE {_known(columns)} GROUP BY {", ".join(columns)})
        WHERE size BETWEEN 2 AND {int(limit)}
        GROUP BY size
        ORDER BY size
        """
    )
    fitting = [(int(size), int(pairs)) for size, pairs in rows if pairs <= budget]
    return fitting[-1] if fitting else (0, 0)


def _pairs_sql(number: int, columns: Sequence[str], size: int) -> str:
    block = f"""
        SELECT list(record) AS records
        FROM cleaned
        WHERE {_known(columns)}
        GROUP BY {", ".join(columns)}
        HAVING count(*) BETWEEN 2 AND {size}
    """
    return f"""
        SELECT
            {number} AS match_key,
            join_key_l,
            join_key_r
        FROM ({pairs_within(block)})
    """


def pairs_within(blocks: str) -> str:
    """SQL for each two of the record numbers in `records` of the rows of `blocks`, the lower on the left."""
    # One list at a time is unfolded: joining a list with itself takes DuckDB eight times as long.
    return f"""
        SELECT
            join_key_l,
            join_key_r
        FROM (
            SELECT
                join_key_l,
                unnest(records) AS join_key_r
            FROM (
                SELECT
                    records,
                    unnest(records) AS join_key_l
                FROM ({blocks}) AS block
            ) AS left_unfolded
        ) AS right_unfolded
        WHERE join_key_l < join_key_r
    """


def _known(columns: Sequence[str]) -> str:
    return " AND ".join(f"{column} IS NOT NULL" for column in columns)
