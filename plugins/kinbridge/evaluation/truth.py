"""Precision and recall where the truth about all records is known: counted, not estimated.

Input: the tables of `tables` and `subgroup`; output: counts and shares, overall and by group. Pairs are counted by
their ends, so that a group's figures are about its own records. The intervals say how far the figures would move with
other people of the same kind; people are the independent units (`interval.ratio`).
"""

from __future__ import annotations

from typing import Any

import duckdb

from kinbridge.evaluation.groups import Group, shown
from kinbridge.evaluation.interval import NOTHING, Share, difference, ratio
from kinbridge.evaluation.tables import rows

# Grain: one row per record with a true person. `linked` are its ends of linked pairs, `right_ends` those of them that
# are true, `mates` its ends of true pairs, `compared` those of them that were compared.
_ENDS = """
CREATE OR REPLACE TABLE truth_end AS
WITH half AS (
    SELECT l AS record, one.person = other.person AS fits
    FROM pair
    INNER JOIN true_person AS one ON one.record = l
    INNER JOIN true_person AS other ON other.record = r
    WHERE linked
    UNION ALL
    SELECT r, one.person = other.person
    FROM pair
    INNER JOIN true_person AS one ON one.record = l
    INNER JOIN true_person AS other ON other.record = r
    WHERE linked
),
found AS (
    SELECT record, count(*) AS linked, count(*) FILTER (WHERE fits) AS right_ends
    FROM half
    GROUP BY record
),
mate AS (
    SELECT record, count(*) AS mates, count(*) FILTER (WHERE compared) AS compared
    FROM (SELECT l AS record, compared FROM true_mate UNION ALL SELECT r, compared FROM true_mate)
    GROUP BY record
)
SELECT
    true_person.record,
    true_person.person,
    coalesce(found.linked, 0) AS linked,
    coalesce(found.right_ends, 0) AS right_ends,
    coalesce(mate.mates, 0) AS mates,
    coalesce(mate.compared, 0) AS compared
FROM true_person
LEFT JOIN found USING (record)
LEFT JOIN mate USING (record)
"""
# Three shares, each of one count in another.
SHARES = {"precision": ("right_ends", "linked"), "recall": ("right_ends", "mates"), "blocking": ("compared", "mates")}


def overall(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Make the table `truth_end`; return counts of pairs, and precision, recall, F1 and blocking recall with intervals.

    Raises nothing; shares are `NOTHING` where there is no pair.
    """
    connection.execute(_ENDS)
    [total] = rows(
        connection,
        """
        SELECT
            (SELECT count(*) FROM true_person) AS records,
            (SELECT count(DISTINCT person) FROM true_person) AS people,
            coalesce(sum(linked) // 2, 0)::BIGINT AS linked_pairs,
            coalesce(sum(right_ends) // 2, 0)::BIGINT AS right_pairs,
            coalesce(sum(mates) // 2, 0)::BIGINT AS true_pairs,
            coalesce(sum(compared) // 2, 0)::BIGINT AS compared_true_pairs
        FROM truth_end
        """,
    )
    connection.execute(
        "CREATE OR REPLACE TABLE truth_person AS SELECT person, "
        + ", ".join(f"sum({name}) AS {name}" for name in ("linked", "right_ends", "mates", "compared"))
        + " FROM truth_end GROUP BY person"
    )
    [sums] = rows(connection, f"SELECT {_sums('')} FROM truth_person")
    shares = {name: _ratio(sums, name) for name in SHARES}
    whole = total["linked_pairs"] + total["true_pairs"]
    return {**total, "shares": shares, "f1": 2 * total["right_pairs"] / whole if whole else None}


def by_group(connection: duckdb.DuckDBPyConnection) -> list[Group]:
    """Precision and recall of each subgroup, beside all others of its dimension."""
    [all_sums] = rows(connection, f"SELECT {_sums('')} FROM truth_person")
    found = rows(
        connection,
        f"""
        WITH own AS (
            SELECT
                member.dimension,
                member.name,
                truth_end.person,
                count(*) AS records,
                sum(linked) AS linked,
                sum(right_ends) AS right_ends,
                sum(mates) AS mates,
                sum(compared) AS compared
            FROM member
            INNER JOIN truth_end USING (record)
            GROUP BY ALL
        ),
        both_of AS (
            SELECT own.*,
                truth_person.linked AS all_linked, truth_person.right_ends AS all_right_ends,
                truth_person.mates AS all_mates, truth_person.compared AS all_compared
            FROM own
            INNER JOIN truth_person USING (person)
        )
        SELECT dimension, name, sum(records)::BIGINT AS records, {_sums("")}, {_taken()}
        FROM both_of
        GROUP BY dimension, name
        ORDER BY dimension, name
        """,
    )
    groups = []
    for row in found:
        rest = {name: all_sums[name] + row["taken_" + name] for name in all_sums}
        own = {name: _ratio(row, name) for name in SHARES}
        others = {name: _ratio(rest, name) for name in SHARES}
        groups.append(
            Group(
                dimension=row["dimension"],
                name=row["name"],
                records=row["records"],
                precision=own["precision"],
                recall=own["recall"],
                blocking=own["blocking"],
                precision_less=difference(own["precision"], others["precision"]),
                recall_less=difference(own["recall"], others["recall"]),
            )
        )
    return shown(groups)


def lost(connection: duckdb.DuckDBPyConnection, review_at: float, link_at: float) -> dict[str, int]:
    """Where true pairs that are not linked got lost: what came of each, in counts."""
    [found] = rows(
        connection,
        """
        SELECT
            count(*) FILTER (WHERE NOT compared)::BIGINT AS "never compared",
            count(*) FILTER (WHERE weight < $1)::BIGINT AS "compared, and held for two people",
            count(*) FILTER (WHERE weight >= $1 AND weight < $2)::BIGINT AS "waiting for review",
            count(*) FILTER (WHERE weight >= $2)::BIGINT AS "alike, but kept apart by a rule or by other records"
        FROM true_mate
        INNER JOIN clustered AS one ON one.record = l
        INNER JOIN clustered AS other ON other.record = r
        WHERE one.cluster <> other.cluster
        """,
        [review_at, link_at],
    )
    return found


def relatives(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Twins: two people of one source with one birth date, surname and household; how many, and how many of these
    linkage put together. Then the wrong pairs of people, and how many of them share surname and household."""
    [twins] = rows(
        connection,
        """
        WITH twin AS (
            SELECT DISTINCT
                least(one_true.person, other_true.person) AS one,
                greatest(one_true.person, other_true.person) AS other
            FROM cleaned AS a
            INNER JOIN cleaned AS b
                ON a.source = b.source AND a.birth_digits = b.birth_digits AND a.last_name = b.last_name
                AND a.record < b.record AND (a.address = b.address OR a.family = b.family)
            INNER JOIN true_person AS one_true ON one_true.record = a.record
            INNER JOIN true_person AS other_true ON other_true.record = b.record
            WHERE one_true.person <> other_true.person
        ),
        wrong AS (
            SELECT DISTINCT
                least(one_true.person, other_true.person) AS one,
                greatest(one_true.person, other_true.person) AS other,
                bool_or(a.last_name = b.last_name AND (a.address = b.address OR a.phone = b.phone)) OVER (
                    PARTITION BY least(one_true.person, other_true.person), greatest(one_true.person, other_true.person)
                ) AS relatives
            FROM pair
            INNER JOIN true_person AS one_true ON one_true.record = l
            INNER JOIN true_person AS other_true ON other_true.record = r
            INNER JOIN cleaned AS a ON a.record = l
            INNER JOIN cleaned AS b ON b.record = r
            WHERE linked AND one_true.person <> other_true.person
        )
        SELECT
            (SELECT count(*) FROM twin)::BIGINT AS twins,
            (SELECT count(*) FROM twin INNER JOIN wrong USING (one, other))::BIGINT AS twins_put_together,
            (SELECT count(*) FROM wrong)::BIGINT AS people_put_together,
            (SELECT count(*) FILTER (WHERE relatives) FROM wrong)::BIGINT AS relatives_put_together
        """,
    )
    return twins


def curve(connection: duckdb.DuckDBPyConnection) -> list[dict[str, float]]:
    """Precision and recall of the compared pairs alone, for a threshold at each half bit from -12 to 24."""
    [(true,)] = connection.execute("SELECT count(*) FROM true_mate").fetchall()
    found = rows(
        connection,
        """
        SELECT
            greatest(-12, least(24, floor(weight * 2) / 2)) AS edge,
            count(*) AS pairs,
            count(*) FILTER (WHERE one.person = other.person) AS right_pairs
        FROM scored
        INNER JOIN true_person AS one ON one.record = l
        INNER JOIN true_person AS other ON other.record = r
        GROUP BY edge
        ORDER BY edge DESC
        """,
    )
    points, pairs, right = [], 0, 0
    for row in found:
        pairs, right = pairs + row["pairs"], right + row["right_pairs"]
        if true:
            points.append({"bits": float(row["edge"]), "precision": right / pairs, "recall": right / true})
    return points


def histogram(connection: duckdb.DuckDBPyConnection, *, known: bool) -> list[dict[str, Any]]:
    """How many compared pairs weigh how much, by whole bits from -20 to 30: of one person and of two where that is
    `known`, else linked and not."""
    one_is_other = "one.person = other.person" if known else "one.cluster = other.cluster"
    table = "true_person" if known else "clustered"
    return rows(
        connection,
        f"""
        SELECT
            greatest(-20, least(30, floor(weight)))::INTEGER AS bits,
            count(*) FILTER (WHERE {one_is_other})::BIGINT AS one,
            count(*) FILTER (WHERE NOT {one_is_other})::BIGINT AS two
        FROM scored
        INNER JOIN {table} AS one ON one.record = l
        INNER JOIN {table} AS other ON other.record = r
        GROUP BY bits
        ORDER BY bits
        """,
    )


def _sums(prefix: str) -> str:
    """SQL for what `interval.ratio` needs of each share, from rows of one person each."""
    parts = []
    for name, (good, whole) in SHARES.items():
        parts += [
            f"coalesce(sum({prefix}{good}), 0)::DOUBLE AS {name}_good",
            f"coalesce(sum({prefix}{whole}), 0)::DOUBLE AS {name}_whole",
            f"count(*) FILTER (WHERE {prefix}{whole} > 0)::DOUBLE AS {name}_clusters",
            f"coalesce(sum({prefix}{good}::DOUBLE * {prefix}{good}), 0) AS {name}_gg",
            f"coalesce(sum({prefix}{good}::DOUBLE * {prefix}{whole}), 0) AS {name}_gw",
            f"coalesce(sum({prefix}{whole}::DOUBLE * {prefix}{whole}), 0) AS {name}_ww",
        ]
    return ", ".join(parts)


def _taken() -> str:
    """SQL for what has to be added to the sums over all people to have those without a group's records."""
    parts = []
    for name, (good, whole) in SHARES.items():
        rest_good, rest_whole = f"(all_{good} - {good})::DOUBLE", f"(all_{whole} - {whole})::DOUBLE"
        parts += [
            f"-sum({good})::DOUBLE AS taken_{name}_good",
            f"-sum({whole})::DOUBLE AS taken_{name}_whole",
            f"-count(*) FILTER (WHERE all_{whole} > 0 AND all_{whole} = {whole})::DOUBLE AS taken_{name}_clusters",
            f"sum({rest_good} * {rest_good} - all_{good}::DOUBLE * all_{good}) AS taken_{name}_gg",
            f"sum({rest_good} * {rest_whole} - all_{good}::DOUBLE * all_{whole}) AS taken_{name}_gw",
            f"sum({rest_whole} * {rest_whole} - all_{whole}::DOUBLE * all_{whole}) AS taken_{name}_ww",
        ]
    return ", ".join(parts)


def _ratio(sums: dict[str, Any], name: str) -> Share:
    if not sums[f"{name}_whole"]:
        return NOTHING
    squares = tuple(float(sums[f"{name}_{part}"]) for part in ("gg", "gw", "ww"))
    good, whole, clusters = (sums[f"{name}_{part}"] for part in ("good", "whole", "clusters"))
    return ratio(float(good), float(whole), int(clusters), (squares[0], squares[1], squares[2]))
