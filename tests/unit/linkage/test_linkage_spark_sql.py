"""The SQL of linkage in Spark's dialect: what sqlglot alone would get wrong."""

from __future__ import annotations

import pytest

from kinbridge.linkage.engine.spark_sql import SparkSql


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("list_has_any(a, b)", "arrays_overlap(a, b)"),
        ("list(a ORDER BY a)", "sort_array(collect_list(a))"),
        ("map_from_entries(list((a, b)))", "MAP_FROM_ENTRIES(collect_list(struct(a, b)))"),
        ("list_concat(a, b)", "concat(coalesce(a, array()), coalesce(b, array()))"),
        ("list_slice(a, 1, n - 1)", "slice(a, 1, n - 1)"),
        ("a >= 0.92", "a >= 0.92D"),
        ("a // 2", "a DIV 2"),
        ("words[1]", "words[0]"),
        ("quantile_disc(a, 0.9)", "percentile_disc(0.9D) WITHIN GROUP (ORDER BY a)"),
        ("a SIMILAR TO 'x+'", r"a RLIKE '\\A(?:x+)\\z'"),
        ("regexp_matches(a, '^x$')", r"a RLIKE '^x\\z'"),
        (r"regexp_replace(a, '(x)y', '\1')", "regexp_replace(a, '(x)y', '$1')"),
        ("regexp_extract(a, '^x')", "REGEXP_EXTRACT(a, '^x', 0)"),
        ("try_strptime(a, '%Y%d%m')", "try_to_date(a, 'yyyyddMM')"),
        (
            "levenshtein(a, b)",
            "levenshtein(decode(CAST(a AS BINARY), 'ISO-8859-1'), decode(CAST(b AS BINARY), 'ISO-8859-1'))",
        ),
    ],
)
def test_expression(ours: str, theirs: str) -> None:
    assert SparkSql().query(ours).casefold() == theirs.casefold()


def test_macro_is_written_out_with_only_the_branch_that_counts() -> None:
    sql = SparkSql()
    macros = """
        CREATE OR REPLACE TEMP MACRO half(value) AS value / 2;
        CREATE OR REPLACE TEMP MACRO of_kind(kind, value) AS CASE kind WHEN 'a' THEN half(value) WHEN 'b' THEN 1 END
    """
    assert list(sql.statements(macros)) == []
    assert sql.query("SELECT of_kind('a', x + 1) AS y FROM t") == "SELECT (((x + 1) / 2)) AS y FROM t"


def test_list_in_an_order_that_spark_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="own values"):
        SparkSql().query("list(a ORDER BY b)")


def test_statement_that_linkage_does_not_use_is_refused() -> None:
    with pytest.raises(ValueError, match="no statement of linkage"):
        list(SparkSql().statements("UPDATE t SET a = 1"))
