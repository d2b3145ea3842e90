"""How Spark is reached and what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

# What Kinbridge sets whatever the configuration says: results and privacy depend on it.
FIXED = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.legacy.sizeOfNull": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.io.encryption.enabled": "true",
    "spark.eventLog.enabled": "false",
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
}
DEFAULTS = {"spark.app.name": "kinbridge-linkage", "spark.driver.memory": "4g", "spark.driver.maxResultSize": "0"}
OWN = {*FIXED, "spark.jars", "spark.local.dir", "spark.master", "spark.sql.warehouse.dir"}


@dataclass(frozen=True)
class SparkConfig:
    """Where Spark works: `checkpoint` is a folder that all of a cluster can read and write, `settings` are Spark's."""

    master: str = "local[*]"
    checkpoint: str | None = None
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def here(self) -> bool:
        """Whether all work is done on this machine."""
        return self.master.startswith("local")
