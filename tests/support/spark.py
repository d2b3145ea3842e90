"""Whether linkage on Spark can be tested here, and one session of it for a module's tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.engine.spark_config import SparkConfig
from kinbridge.linkage.engine.spark_session import Session, spark_session

# Set where everything has to be tested, so that a missing Spark fails instead of being passed over.
REQUIRED = "KINBRIDGE_REQUIRE_SPARK"
# Small data: little memory, and no compiling for speed that never pays back.
SMALL = SparkConfig(
    "local[2]",
    settings={
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": "2",
    },
)


def session() -> Iterator[Session]:
    """A session of Spark; where there is none, tests are skipped and say why."""
    opened = spark_session(SMALL)
    try:
        found = opened.__enter__()
    except KinbridgeError as error:
        if os.environ.get(REQUIRED):
            raise
        pytest.skip(str(error))
    try:
        yield found
    finally:
        opened.__exit__(None, None, None)
