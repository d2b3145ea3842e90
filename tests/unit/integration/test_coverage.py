"""Of what a figure is made, told from its SQL; and that a use case names all of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kinbridge.agreement.reader import read_use_cases
from kinbridge.integration.coverage import made_of, output_problems, uncovered_outputs
from kinbridge.integration.ingredients import Ingredients
from kinbridge.integration.statements import GATE_FILE, NotUnderstood, fillings
from kinbridge.release.elements import integrated_elements

GATE = Path(GATE_FILE)
BUILD, MART = Path("02_person.sql"), Path("03_figure.sql")
ELEMENTS = ("person.birth_date", "person.sex", "person.language", "referral.referral_date")
USABLE = """
CREATE OR REPLACE TEMP VIEW usable_person AS
SELECT link.person_id, person.partner, person.birth_date, person.sex, person.language
FROM record.person
INNER JOIN identity.person_link AS link USING (partner, source_person_id)
WHERE person.known_to IS NULL
    AND NOT EXISTS (SELECT FROM withheld_person WHERE withheld_person.program = person.language);
CREATE OR REPLACE TEMP VIEW usable_referral AS
SELECT link.person_id, referral.referral_date
FROM record.referral
INNER JOIN identity.person_link AS link USING (partner, source_person_id);
"""


def made(*mart: str, relation: str = "mart.shown") -> set[str]:
    """The elements of the table that these statements fill, over the views above."""
    filled = [*fillings(GATE, USABLE), *fillings(MART, ";\n".join(mart))]
    return set(Ingredients(filled, ELEMENTS, ()).of(relation))


def shown(select: str) -> set[str]:
    return made(f"INSERT INTO mart.shown (a) {select}")


@pytest.mark.parametrize(
    ("select", "elements"),
    [
        ("SELECT p.sex FROM usable_person AS p", {"person.sex"}),
        ("SELECT COUNT(*) FROM usable_person AS p", set()),
        # What decides who is counted is used; so is what groups, joins and puts in order where one of several is taken.
        ("SELECT COUNT(*) FROM usable_person AS p WHERE p.birth_date > '2020-01-01'", {"person.birth_date"}),
        ("SELECT COUNT(*) FROM usable_person AS p GROUP BY p.language", {"person.language"}),
        (
            "SELECT p.sex FROM usable_person AS p INNER JOIN usable_referral AS r ON r.referral_date > p.birth_date",
            {"person.sex", "person.birth_date", "referral.referral_date"},
        ),
        (
            "SELECT DISTINCT ON (p.person_id) p.sex FROM usable_person AS p ORDER BY p.person_id, p.birth_date DESC",
            {"person.sex", "person.birth_date"},
        ),
        ("SELECT MAX(p.sex) OVER (ORDER BY p.birth_date) FROM usable_person AS p", {"person.sex", "person.birth_date"}),
        (
            "SELECT p.sex FROM usable_person AS p WHERE EXISTS "
            "(SELECT 1 FROM usable_referral AS r WHERE r.referral_date > p.birth_date)",
            {"person.sex", "person.birth_date", "referral.referral_date"},
        ),
        # A join that only adds columns which nobody reads does not.
        ("SELECT p.sex FROM usable_person AS p LEFT JOIN usable_referral AS r ON r.referral_date = p.birth_date",
         {"person.sex"}),
        ("WITH x AS (SELECT p.sex AS a, p.language AS b FROM usable_person AS p) SELECT x.a FROM x", {"person.sex"}),
        ("WITH x AS (SELECT DISTINCT p.sex AS a, p.language AS b FROM usable_person AS p) SELECT x.a FROM x",
         {"person.sex", "person.language"}),
        ("SELECT a.x FROM (SELECT p.sex AS x FROM usable_person AS p UNION ALL "
         "SELECT r.referral_date FROM usable_referral AS r) AS a", {"person.sex", "referral.referral_date"}),
        ("SELECT v.value FROM usable_person AS p CROSS JOIN LATERAL (VALUES ('s', p.sex), ('l', p.language)) "
         "AS v (name, value) WHERE v.name = 'l'", {"person.language"}),
        ("SELECT age.years FROM usable_person AS p CROSS JOIN LATERAL (SELECT 2026 - p.birth_date AS years) AS age",
         {"person.birth_date"}),
    ],
)  # fmt: skip
def test_what_a_table_is_made_of(select: str, elements: set[str]) -> None:
    assert shown(select) == elements


def test_a_query_that_gives_other_rows_than_those_asked_for_gives_nothing() -> None:
    both = (
        "CREATE TEMP TABLE figure (kind text, n bigint) ON COMMIT DROP",
        "INSERT INTO figure (kind, n) SELECT 'sexes' AS kind, COUNT(p.sex) FROM usable_person AS p",
        "INSERT INTO figure (kind, n) SELECT 'languages' AS kind, COUNT(p.language) FROM usable_person AS p",
        "CREATE TEMP TABLE grouped AS SELECT DISTINCT figure.kind, figure.n FROM figure",
        "UPDATE figure SET n = 0 FROM closed_output WHERE closed_output.output = figure.kind",
    )
    one = "INSERT INTO mart.shown (a) SELECT figure.n FROM figure WHERE figure.kind = 'sexes'"
    assert made(*both, one) == {"person.sex"}
    assert made(*both, one.replace("= 'sexes'", "IN ('sexes', 'languages')")) == {"person.sex", "person.language"}
    joined = "figure INNER JOIN grouped AS g USING (kind)"
    through = f"INSERT INTO mart.shown (a) SELECT g.n FROM {joined} WHERE figure.kind = 'sexes'"
    assert made(*both, through) == {"person.sex"}
    assert made(*both, "INSERT INTO mart.shown (a) SELECT figure.n FROM figure") == {"person.sex", "person.language"}


def test_a_block_makes_what_it_fills_of_all_that_it_names() -> None:
    block = "DO $$\nBEGIN\n    UPDATE kept SET a = 1 FROM usable_person;\nEND\n$$"
    kept = "CREATE TEMP TABLE kept AS SELECT r.referral_date AS a FROM usable_referral AS r"
    last = "INSERT INTO mart.shown (a) SELECT kept.a FROM kept"
    assert made(kept, f"\n{block}", last) == {*ELEMENTS}


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("INSERT INTO mart.shown (a) SELECT * FROM usable_person", "name every column"),
        ("INSERT INTO mart.shown (a) SELECT p.sex FROM record.person AS p", "only the gate reads record.person"),
        ("INSERT INTO mart.shown (a) SELECT p.a FROM elsewhere AS p", "what elsewhere is made of"),
        ("INSERT INTO mart.shown (a) SELECT sex FROM usable_person AS p, usable_referral AS r", "from which relation"),
        ("INSERT INTO mart.shown (a) SELECT 1 AS a FROM usable_person NATURAL JOIN usable_referral", "join with"),
        ("COPY mart.shown FROM '/tmp/x'", "cannot be told"),
        ("INSERT INTO mart.shown SELECT p.sex FROM usable_person AS p", "cannot be told"),
        ("SELEC", "SQL|told"),
    ],
)
def test_what_cannot_be_told_is_refused_with_its_line(statement: str, words: str) -> None:
    with pytest.raises(NotUnderstood, match=words) as refused:
        made(f"\n\n{statement}")
    assert (refused.value.path, refused.value.line) == (MART, 3)


def test_the_list_for_releases_names_what_the_sql_reads() -> None:
    """`integrated_elements.csv` is written by people, for what a column tells; the SQL reads that, and conditions."""
    from kinbridge.integration import coverage

    read = coverage._ingredients(coverage._texts())
    for element in integrated_elements().values():
        assert set(element.elements) <= set(read.of(element.table, [element.column])), element.name


def test_every_output_of_the_project_is_covered_and_none_is_made_of_more_than_it_shows() -> None:
    for use_case in read_use_cases():
        assert uncovered_outputs(use_case) == {}
    # Who is counted by language and county is nothing that the counts of programs are made of, and the reverse.
    assert not {"person.language", "person_address.county_fips"} & set(made_of("children_served"))
    assert "family_member.family_role" not in made_of("children_by_characteristic")
    assert "person.birth_date" not in made_of("referral_outcomes")


def test_an_element_that_is_not_named_is_told_with_clause_and_line() -> None:
    [use_case] = [one for one in read_use_cases() if one.id == "who_and_where"]
    less = replace(use_case, elements=tuple(name for name in use_case.elements if name != "person.language"))
    [problem] = output_problems([less])
    assert (problem.code, problem.path, problem.line) == ("KB-M04", use_case.path, use_case.clause("elements").line)
    assert "children_by_characteristic is made of person.language (include/sql/mart/04_figure.sql:" in problem.text
    [clause] = uncovered_outputs(less).values()
    assert clause.startswith("who_and_where, elements (include/use_cases/who_and_where.yaml:")
