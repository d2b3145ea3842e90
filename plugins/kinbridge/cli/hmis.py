"""`kinbridge hmis`: the contract set of a partner's HMIS export."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kinbridge.cli.written import tell
from kinbridge.errors import KinbridgeError

USAGE = 2


class HmisVersion(StrEnum):
    """The versions of HMIS CSV that can be compiled."""

    FY2024 = "FY2024"
    FY2026 = "FY2026"


def hmis(
    partner: Annotated[str, typer.Argument(help="The partner's code.")],
    version: Annotated[HmisVersion, typer.Argument(help="The version of the standard.", case_sensitive=False)],
    into: Annotated[
        Path | None, typer.Option(help="The include folder to write to; by default the last one of KINBRIDGE_INCLUDE.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A file of the export; may be repeated. By default all.")
    ] = None,
    file_pattern: Annotated[
        str,
        typer.Option(help="Regular expression for the name of the zip, with a group `period` for the month yyyyMM."),
    ] = r"^hmis_(?P<period>\d{6})\.zip$",
) -> None:
    """Compile HMIS CSV into one feed for each file of the export; what a person has to decide is marked and listed."""
    from kinbridge.hmis.write import write_set

    try:
        written = write_set(
            partner,
            version.value,
            into=into,
            only=only or (),
            file_pattern=file_pattern,
            today=datetime.now(UTC).date(),
        )
    except KinbridgeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE) from None
    tell(written, "`kinbridge check`")
