"""A session of Spark for one linkage: what it must be given, and what it must not leave behind.

Everything that Spark writes on this machine is in a folder of its own that only its owner can read, and is removed at
the end: what does not fit in memory (encrypted), and the tables between steps. Its web pages are off. Its log names
the class that failed and not the message, in which a value of a record could stand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.engine.spark_config import DEFAULTS, FIXED, SparkConfig
from kinbridge.linkage.engine.spark_functions import register_functions

SECONDS_TO_END = 120
LOG = """
status = off
rootLogger.level = error
rootLogger.appenderRef.err.ref = err
appender.err.type = Console
appender.err.name = err
appender.err.target = SYSTEM_ERR
appender.err.layout.type = PatternLayout
appender.err.layout.pattern = %p %c (its message is left out: it could hold values)%n%ex{0}
appender.err.layout.alwaysWriteExceptions = false
"""


@dataclass(frozen=True)
class Session:
    """A running session, and the folder in which its tables stand."""

    spark: Any
    tables: str


@contextmanager
def spark_session(config: SparkConfig) -> Iterator[Session]:
    """A session with Splink's similarity functions and `FUNCTIONS`; ended, with all that it wrote, when left.

    Raises `KinbridgeError` KB-K07 where Spark is not installed or does not start.
    """
    if find_spec("pyspark") is None:
        raise KinbridgeError("KB-K07", engine="spark", problem="pyspark is not installed")
    if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
        raise KinbridgeError("KB-K07", engine="spark", problem="there is no Java")
    # `mkdtemp` makes a folder that nobody else may enter.
    folder = Path(tempfile.mkdtemp(prefix="kinbridge-spark-"))
    try:
        spark = _started(config, folder)
        try:
            tables = _place(spark, config, folder)
            register_functions(spark)
            yield Session(spark, tables)
            delete(spark, tables)
        finally:
            # Where it has not been deleted by now, Java deletes it as it ends.
            _ended(spark)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(config: SparkConfig, folder: Path) -> Any:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession
    from splink.internals.spark.jar_location import similarity_jar_location

    # Spark is used without pandas.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
    log = folder / "log4j2.properties"
    log.write_text(LOG, encoding="ascii")
    settings = {**DEFAULTS, **config.settings, **FIXED}
    settings["spark.driver.extraJavaOptions"] = (
        f"{config.settings.get('spark.driver.extraJavaOptions', '')} -Dlog4j2.configurationFile={log.as_uri()}".strip()
    )
    settings["spark.jars"] = similarity_jar_location()
    settings["spark.local.dir"] = str(folder)
    settings["spark.sql.warehouse.dir"] = str(folder / "warehouse")
    if config.here:
        settings.setdefault("spark.sql.shuffle.partitions", str(2 * (os.cpu_count() or 1)))
    builder = SparkSession.builder.master(config.master)
    for name, value in settings.items():
        builder = builder.config(name, value)
    python = config.settings.get("spark.pyspark.python", os.environ.get("PYSPARK_PYTHON", sys.executable))
    try:
        # SPARK_LOCAL_DIRS would win over the private folder.
        with _environment({"PYSPARK_PYTHON": python, "SPARK_LOCAL_DIRS": str(folder)}):
            return builder.getOrCreate()
    except (PySparkException, Py4JError, OSError):
        problem = "Spark does not start; it needs Java 17 and the master that is named"
        raise KinbridgeError("KB-K07", engine="spark", problem=problem) from None


def _ended(spark: Any) -> None:
    """Stop the session and its Java program, which would make its folders anew after they were removed."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    spark.stop()
    gateway.shutdown()
    # Java ends when it can read no more from here.
    gateway.proc.stdin.close()
    try:
        gateway.proc.wait(timeout=SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        gateway.proc.kill()
    SparkContext._gateway = SparkContext._jvm = None


@contextmanager
def _environment(wanted: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _place(spark: Any, config: SparkConfig, folder: Path) -> str:
    """Make the folder of the tables, which is Spark's checkpoint directory as well."""
    from py4j.protocol import Py4JError

    place = (
        f"{config.checkpoint.rstrip('/')}/kinbridge-{uuid4()}" if config.checkpoint else (folder / "tables").as_uri()
    )
    try:
        _made_private(spark, place)
    except Py4JError:
        raise KinbridgeError("KB-K07", engine="spark", problem="the checkpoint folder cannot be made") from None
    spark.sparkContext.setCheckpointDir(place)
    return place


def _made_private(spark: Any, place: str) -> None:
    """Make a folder, here or on the cluster, that nobody else may enter."""
    files = spark._jvm.org.apache.hadoop.fs
    path = files.Path(place)
    private = files.permission.FsPermission("700")
    system = path.getFileSystem(spark._jsc.hadoopConfiguration())
    system.mkdirs(path, private)
    system.setPermission(path, private)
    # Also where this process is killed: Java ends with it, and deletes the folder then.
    system.deleteOnExit(path)


def delete(spark: Any, place: str) -> None:
    """Delete a file or folder of Spark's, wherever it is."""
    path = spark._jvm.org.apache.hadoop.fs.Path(place)
    path.getFileSystem(spark._jsc.hadoopConfiguration()).delete(path, True)
