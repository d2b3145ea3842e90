"""What a transform reads is seen wherever it stands; what cannot be told is said, never guessed."""

from pathlib import Path

import pytest

from kinbridge.load.lineage import Lineage, NotOneSelect, Use, lineage
from kinbridge.load.transform import Statement, read_transform


def of(sql: str) -> Lineage:
    return lineage(Statement("person", sql, Path("x"), 10))


@pytest.mark.parametrize(
    ("sql", "uses"),
    [
        ("SELECT a FROM source", {"source.a"}),
        ("SELECT s.a FROM source AS s WHERE s.b = 1 ORDER BY s.c", {"source.a", "source.b", "source.c"}),
        ("SELECT row_number() OVER (PARTITION BY a ORDER BY b) AS n FROM source", {"source.a", "source.b"}),
        ("SELECT q.x FROM (SELECT a AS x FROM source WHERE b) AS q", {"source.a", "source.b"}),
        ("WITH q AS (SELECT a AS x FROM source) SELECT x FROM q", {"source.a"}),
        ("SELECT a FROM source UNION ALL SELECT b FROM source", {"source.a", "source.b"}),
        (
            "SELECT a FROM source WHERE b IN (SELECT code FROM codes_b WHERE note = source.c)",
            {"source.a", "source.b", "source.c", "codes_b.code", "codes_b.note"},
        ),
        ("SELECT s.a FROM source AS s CROSS JOIN LATERAL (VALUES (s.b)) AS v (x)", {"source.a", "source.b"}),
        (
            "SELECT s.a FROM source AS s LEFT JOIN codes_b AS s2 ON s2.code = s.b",
            {"source.a", "source.b", "codes_b.code"},
        ),
        # A relation named whole takes in every column: it reads as a column that no contract has.
        ("SELECT to_jsonb(source) AS j FROM source", {"source.source"}),
        ("SELECT a FROM source JOIN codes_b ON TRUE", {".a"}),
        ("SELECT other.a FROM source", {".other.a"}),
    ],
)
def test_columns_that_are_read(sql: str, uses: set[str]) -> None:
    assert {f"{use.relation}.{use.column}" for use in of(sql).uses} == uses


@pytest.mark.parametrize(
    ("sql", "relations"),
    [
        ("SELECT a FROM landing.source", {"landing.source"}),
        ("WITH source AS (SELECT a FROM record.person) SELECT a FROM source", {"record.person"}),
        ("SELECT a FROM source WHERE EXISTS (SELECT 1 FROM identity.person)", {"source", "identity.person"}),
    ],
)
def test_relations_that_are_read(sql: str, relations: set[str]) -> None:
    assert of(sql).relations == relations


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM source",
        "SELECT 1; SELECT 2",
        "SELECT * FROM source",
        "SELECT COUNT(*) AS n, source.* FROM source",
        "WITH gone AS (DELETE FROM x RETURNING y) SELECT y FROM gone",
        "SELECT a INTO b FROM source",
        "SELECT a FROM source FOR UPDATE",
        "SELECT a FROM source JOIN codes_b USING (code)",
        "SELECT a FROM source NATURAL JOIN codes_b",
        "TABLE source",
        "SELECT (a FROM source",
        "SELECT 'a FROM source",
        "COPY source TO PROGRAM 'x'",
        "",
    ],
)
def test_what_is_no_select_of_named_columns_is_refused(sql: str) -> None:
    with pytest.raises(NotOneSelect):
        of(sql)


def test_counting_rows_names_no_column() -> None:
    assert of("SELECT a, COUNT(*) AS n FROM source GROUP BY a").outputs == ("a", "n")


def test_each_use_has_its_line_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "transform.sql"
    path.write_text(
        "-- Note.\n\n-- target: person\n\n-- grain: a row\nSELECT\n    a,\n    b AS c\nFROM source;\n-- End.\n"
    )
    statements, problems = read_transform(path)
    assert problems == []
    assert [(s.target, s.sql.endswith("FROM source")) for s in statements] == [("person", True)]
    assert lineage(statements[0]).uses == (Use("source", "a", 7), Use("source", "b", 8))
