"""Reads NDJSON: one JSON object on each line, as FHIR's bulk export writes them.

A line that is no object, has one name twice, or a number that JSON does not know (NaN) is a ragged row; a file without
a single object is something else and refused. Numbers keep the text that they have in the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from kinbridge.contract.paths import json_path
from kinbridge.format.json_record import unique_names, value_at
from kinbridge.format.table import PathTable, Row, Unreadable
from kinbridge.format.text_lines import text_lines


def _refused(_constant: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


@dataclass
class JsonLines(PathTable):
    """One NDJSON file under its contract, see `Table`."""

    def records(self, content: IO[bytes]) -> Iterator[Row]:
        """One row for each line that is not blank. Raises `Unreadable`."""
        decoder = json.JSONDecoder(
            object_pairs_hook=unique_names, parse_float=str, parse_int=str, parse_constant=_refused
        )
        paths = [(c.name, json_path(c.header)) for c in self.columns]
        rows = objects = 0
        for number, line in text_lines(content, self.dialect.encoding, "\n"):
            text = line.strip(" \t\r")
            if not text:
                continue
            rows += 1
            try:
                record = decoder.decode(text)
            except (ValueError, RecursionError):
                record = None
            objects += isinstance(record, dict)
            yield record_row(self, number, record, paths)
        if rows and not objects:
            raise Unreadable(1, "no line of the file is a JSON object")


def record_row(table: PathTable, line: int, record: Any, paths: list[tuple[str, Any]]) -> Row:
    """The row of one record; ragged where the record is not built as the paths say."""
    if not isinstance(record, dict):
        return table.empty_row(line)
    return table.row(line, paths, lambda path: value_at(record, path))
