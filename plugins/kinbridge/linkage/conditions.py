"""The model's conditions as SQL over two records.

Input: conditions over cleaned columns of the left (`_l`) and right (`_r`) record, as people declare them; output: the
same over the tables `left_record` and `right_record`, in DuckDB's dialect. Pure text.
"""

from __future__ import annotations

from functools import cache

import sqlglot
from sqlglot import exp


@cache
def sided(condition: str) -> str:
    """A condition over `<column>_l` and `<column>_r` as one over the joined tables."""
    tree = sqlglot.parse_one(condition, read="duckdb")
    tables = {"_l": "left_record", "_r": "right_record"}
    for column in list(tree.find_all(exp.Column)):
        column.replace(exp.column(column.name[:-2], table=tables[column.name[-2:]]))
    return str(tree.sql("duckdb"))
