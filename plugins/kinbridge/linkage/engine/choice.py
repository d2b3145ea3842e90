"""Which engine a configuration asks for, and how Spark is reached.

Input: a YAML document with `engine` and, for Spark, `spark`; output: an `EngineChoice`, or every mistake with its line.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from kinbridge.declaration.document import Document, Problem
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.engine.spark_config import OWN, SparkConfig

ENGINES = ("duckdb", "spark")
FIELDS = ("master", "checkpoint", "settings")


@dataclass(frozen=True)
class EngineChoice:
    """`name` is one of `ENGINES`; `spark` counts for Spark alone."""

    name: str
    spark: SparkConfig

    def open(self) -> AbstractContextManager[Engine]:
        """The engine, closed at the end of a `with` block; raises `KinbridgeError` KB-K07 where it is not there."""
        if self.name == "duckdb":
            return DuckDBEngine()
        from kinbridge.linkage.engine.on_spark import spark_engine

        return spark_engine(self.spark)


def read_choice(data: dict[str, Any]) -> EngineChoice:
    """The choice in a document of which `choice_problems` has found nothing wrong."""
    spark = data.get("spark") or {}
    settings = {str(name): str(value) for name, value in (spark.get("settings") or {}).items()}
    config = SparkConfig(spark.get("master", SparkConfig.master), spark.get("checkpoint"), settings)
    return EngineChoice(data.get("engine", "duckdb"), config)


def choice_problems(document: Document, code: str) -> Iterator[Problem]:
    """What is wrong with `engine` and `spark`, as problems with `code`."""
    engine, spark = document.data.get("engine", "duckdb"), document.data.get("spark")
    if engine not in ENGINES:
        yield document.problem(code, f"the engine must be one of {', '.join(ENGINES)}", "engine")
    if spark is None:
        return
    if engine == "duckdb":
        yield document.problem(code, "`spark` says how the engine spark is reached, and the engine is duckdb", "spark")
    if not isinstance(spark, dict):
        yield document.problem(code, f"expected some of {', '.join(FIELDS)}", "spark")
        return
    for name in spark:
        if name not in FIELDS:
            yield document.problem(code, f"{name!r} is not known; {hint(name, FIELDS)}", "spark", str(name))
    for name in ("master", "checkpoint"):
        if name in spark and not (isinstance(spark[name], str) and spark[name].strip()):
            yield document.problem(code, f"{name} is written as text", "spark", name)
    if not str(spark.get("master", "local")).startswith("local") and "checkpoint" not in spark:
        yield document.problem(
            code, "a cluster needs `checkpoint`, a folder that all of it can reach", "spark", "master"
        )
    yield from _setting_problems(document, code, spark.get("settings"))


def _setting_problems(document: Document, code: str, settings: object) -> Iterator[Problem]:
    if settings is None:
        return
    if not isinstance(settings, dict):
        yield document.problem(code, "expected Spark's settings by name", "spark", "settings")
        return
    for name, value in settings.items():
        at = ("spark", "settings", str(name))
        if not str(name).startswith("spark."):
            yield document.problem(code, f"{name!r} is no setting of Spark's; they begin with spark.", *at)
        elif name in OWN:
            yield document.problem(code, f"{name} is set by Kinbridge: results and privacy depend on it", *at)
        elif isinstance(value, dict | list | bool) or value is None:
            yield document.problem(code, f"{name} needs a text or a number; true and false in quotes", *at)


def hint(name: object, known: Collection[str]) -> str:
    """What somebody may have meant who wrote a name that is not known."""
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
