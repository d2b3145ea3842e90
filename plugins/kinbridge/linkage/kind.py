"""What kind of list the records are, as far as it decides which of the model's rules apply.

Input: the table `cleaned`; output: whether the records are of people who are not related to each other. It looks at
counts only, and it says so only where the records show it.
"""

from __future__ import annotations

from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import Only, everybody

# Grain: one row. Sources: cleaned. More than this many records at one address are no household.
_RELATIVES = """
WITH household AS (
    SELECT list(record) AS records
    FROM cleaned
    WHERE address IS NOT NULL AND last_name IS NOT NULL
    GROUP BY address, last_name
    HAVING count(*) BETWEEN 2 AND 20
),
pair AS (
    SELECT
        a.record AS l,
        b.record AS r
    FROM household, unnest(records) AS a (record), unnest(records) AS b (record)
    WHERE a.record < b.record
),
compared AS ({compared})
SELECT
    count(*),
    count(*) FILTER (
        WHERE NOT list_has_any(l.first_forms, r.first_forms) AND l.first_sound <> r.first_sound
        AND l.birth_year <> r.birth_year AND levenshtein(l.birth_digits, r.birth_digits) > 2
    )
FROM compared
INNER JOIN cleaned AS l ON l.record = compared.l
INNER JOIN cleaned AS r ON r.record = compared.r
"""


def unrelated(engine: Engine, model: Model, only: Only = everybody) -> bool:
    """Whether the records are of people of all ages among whom relatives do not stand together."""
    [(pairs, two_people)] = engine.rows(_RELATIVES.format(compared=only("SELECT l, r FROM pair", "l", "r")))
    [(years,)] = engine.rows("SELECT quantile_disc(birth_year, 0.9) - quantile_disc(birth_year, 0.1) FROM cleaned")
    return bool(
        years is not None
        and years >= model.unrelated["years"]
        and pairs >= model.unrelated["pairs"]
        and two_people <= model.unrelated["two_people"] * pairs
    )
