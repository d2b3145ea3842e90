"""The merge of dlt, run by a Python that has dlt, in an environment of its own; nothing of Kinbridge is imported here.

What to do is JSON on standard input: `way` (`rows` or `arrow`), `file` (CSV), its `key` column, the `url` of a Postgres
that may create schemas, a working `folder`. The answer is JSON on standard output: version, seconds, rows in the table.
`rows` is dlt as it comes: dicts, and its preferred file format for Postgres. `arrow` is the fast way that its
documentation names for Postgres: Arrow tables and CSV files, which it loads with COPY. Both read each column as text.
"""

import csv
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHUNK_ROWS = 10_000
BLOCK_BYTES = 16 << 20
TABLE = "member"


def main() -> int:
    """Merge once into an empty schema or into what an earlier call left, and answer."""
    given = json.load(sys.stdin)
    way, folder = given["way"], given["folder"]
    os.environ["DLT_DATA_DIR"] = folder
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt  # type: ignore[import-not-found]

    pipeline = dlt.pipeline(
        f"bench_{way}",
        destination=dlt.destinations.postgres(given["url"]),
        dataset_name=f"dlt_{way}",
        pipelines_dir=folder,
    )
    read = _arrow if way == "arrow" else _rows
    source = dlt.resource(read(Path(given["file"])), name=TABLE, primary_key=given["key"], write_disposition="merge")
    began = time.perf_counter()
    pipeline.run(source, loader_file_format="csv" if way == "arrow" else None)
    seconds = time.perf_counter() - began
    with pipeline.sql_client() as client:
        [[rows]] = client.execute_sql(f"SELECT count(*) FROM {TABLE}")
    json.dump({"version": dlt.__version__, "seconds": seconds, "rows": rows}, sys.stdout)
    return 0


def _rows(path: Path) -> Iterator[list[dict[str, str | Any]]]:
    with path.open(encoding="utf-8", newline="") as text:
        chunk = []
        for row in csv.DictReader(text):
            chunk.append(row)
            if len(chunk) == CHUNK_ROWS:
                yield chunk
                chunk = []
        yield chunk


def _arrow(path: Path) -> Iterator[Any]:
    import pyarrow
    from pyarrow import csv as arrow_csv

    with path.open(encoding="utf-8", newline="") as text:
        names = next(csv.reader(text))
    reader = arrow_csv.open_csv(
        path,
        read_options=arrow_csv.ReadOptions(block_size=BLOCK_BYTES),
        convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string())),
    )
    for batch in reader:
        yield pyarrow.Table.from_batches([batch])


if __name__ == "__main__":
    sys.exit(main())
