"""A declared condition over two records, as SQL over the two joined tables `left_record` and `right_record`.

Pure text. Conditions are declared over `<column>_l` and `<column>_r`.
"""

from __future__ import annotations

from functools import cache

import sqlglot
from sqlglot import exp

TABLES = {"_l": "left_record", "_r": "right_record"}


@cache
def sided(condition: str) -> str:
    """The condition over `left_record.<column>` and `right_record.<column>`."""
    tree = sqlglot.parse_one(condition, read="duckdb")
    for column in list(tree.find_all(exp.Column)):
        column.replace(exp.column(column.name[:-2], table=TABLES[column.name[-2:]]))
    return str(tree.sql("duckdb"))
