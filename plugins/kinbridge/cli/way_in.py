"""How a command gets into the warehouse: by the address that was given, or by the one that provisioning left behind.

The options name an environment variable each, for an address with a password has no place in a command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kinbridge.warehouse.connection import Dsn

StewardUrl = Annotated[
    str | None,
    typer.Option(
        envvar="KINBRIDGE_STEWARD_URL", help="postgresql:// address of kb_steward, or your own; by default roles.json."
    ),
]
LinkageUrl = Annotated[
    str | None,
    typer.Option(envvar="KINBRIDGE_LINKAGE_URL", help="postgresql:// address of kb_linkage; by default roles.json."),
]
PipelineUrl = Annotated[
    str | None,
    typer.Option(envvar="KINBRIDGE_PIPELINE_URL", help="postgresql:// address of kb_pipeline; by default roles.json."),
]
OwnerUrl = Annotated[
    str | None,
    typer.Option(envvar="KINBRIDGE_OWNER_URL", help="postgresql:// address of kb_owner; by default roles.json."),
]


def steward_dsn(url: str | None) -> Dsn:
    """The way in as kb_steward."""
    return _dsn("kb_steward", url)


def linkage_dsn(url: str | None) -> Dsn:
    """The way in as kb_linkage."""
    return _dsn("kb_linkage", url)


def pipeline_dsn(url: str | None) -> Dsn:
    """The way in as kb_pipeline."""
    return _dsn("kb_pipeline", url)


def owner_dsn(url: str | None) -> Dsn:
    """The way in as kb_owner."""
    return _dsn("kb_owner", url)


def _dsn(role: str, url: str | None) -> Dsn:
    from kinbridge.settings import state_folder
    from kinbridge.warehouse.connection import Dsn
    from kinbridge.warehouse.roles import role_dsns

    return Dsn.from_url(url) if url else role_dsns(state_folder() / "roles")[role]
