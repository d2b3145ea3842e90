"""What Spark lacks or has otherwise, as functions of Spark: DuckDB's own, over batches of Arrow.

Spark's letters of other case, and the Jaro-Winkler of both Spark and Splink's jar, differ from DuckDB's (`ﬁ`; how
transposed letters are counted), and Spark takes no accents away. They run in Python beside each executor, which needs
`duckdb` and `pyarrow` there. Their names are nobody's else: Spark prefers its own functions to given ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

# By its name in Spark: the expression of DuckDB over `a`, or `a` and `b`; its type in Spark.
FUNCTIONS = {
    "kinbridge_jaro_winkler": ("jaro_winkler_similarity(a, b)", "double"),
    "kinbridge_lower": ("lower(a)", "string"),
    "kinbridge_strip_accents": ("strip_accents(a)", "string"),
    "kinbridge_upper": ("upper(a)", "string"),
}


def register_functions(spark: Any) -> None:
    """Make `FUNCTIONS`, and those of Splink's jar, known to the SQL of a Spark session."""
    from pyspark.sql.functions import arrow_udf
    from splink.internals.spark.jar_location import get_scala_udfs

    for of_jar in get_scala_udfs():
        spark.udf.registerJavaFunction(*of_jar)

    for name, (expression, kind) in FUNCTIONS.items():
        made = _of_two(expression) if "b" in expression.partition("(")[2] else _of_one(expression)
        spark.udf.register(name, arrow_udf(made, returnType=kind))


def _of_one(expression: str) -> Callable[[pa.Array], pa.Array]:
    evaluated = _evaluated(expression)

    def function(a: pa.Array) -> pa.Array:
        return evaluated({"a": a})

    return function


def _of_two(expression: str) -> Callable[[pa.Array, pa.Array], pa.Array]:
    evaluated = _evaluated(expression)

    def function(a: pa.Array, b: pa.Array) -> pa.Array:
        return evaluated({"a": a, "b": b})

    return function


def _evaluated(expression: str) -> Callable[[dict[str, pa.Array]], pa.Array]:
    # What a worker needs is inside, so that it travels there without this module.
    def evaluated(columns: dict[str, Any]) -> Any:
        import duckdb
        import pyarrow

        with duckdb.connect(":memory:", config={"threads": 1, "temp_directory": ""}) as connection:
            connection.register("batch", pyarrow.table(columns))
            found = connection.sql(f"SELECT {expression} AS found FROM batch").to_arrow_table()
        return found.column("found").combine_chunks()

    return evaluated
