"""`kinbridge deploy`: what the one-shot containers of docker-compose.yml run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

deploy_app = typer.Typer(help="Steps of a deployment; docker-compose.yml runs them.", no_args_is_help=True)


@deploy_app.command("check-secrets")
def check_secrets_command() -> None:
    """Refuse to go on when a secret of the environment is missing, short or used twice."""
    from kinbridge.deployment.secret_check import check_secrets

    check_secrets(os.environ)
    typer.echo("The secrets may be used.")


@deploy_app.command("sftp")
def sftp_command(
    server: Annotated[Path, typer.Option(help="Folder of the SFTP server: host key, accounts, jails.")],
    ours: Annotated[Path, typer.Option(help="Folder of our own key pairs, one for each partner.")],
    theirs: Annotated[Path, typer.Option(help="Folder of the agencies' public keys, PARTNER.pub.")],
) -> None:
    """Make the SFTP server's host key and accounts, or bring them up to date."""
    from kinbridge.deployment.partner_accounts import pinned, prepare_accounts
    from kinbridge.partner.profile import partners

    names = partners()
    without = prepare_accounts(server, ours, theirs, names)
    typer.echo(f"Accounts: {', '.join(names)}. Host key: {pinned(server)}")
    if without:
        typer.echo(f"No key of the agency yet: {', '.join(without)}. Only Kinbridge itself can use these accounts.")


@deploy_app.command("connections")
def connections_command(
    *,
    out: Annotated[Path, typer.Option(help="File to write, for `airflow connections import`. It holds secrets.")],
    roles: Annotated[Path, typer.Option(help="Folder of roles.json.")],
    keys: Annotated[Path, typer.Option(help="Folder of our own key pairs, one for each partner.")],
    server: Annotated[Path, typer.Option(help="Folder of the SFTP server, for its host key.")],
    host: Annotated[str, typer.Option(help="Name of the SFTP server.")],
    port: Annotated[int, typer.Option(help="Port of the SFTP server.")] = 2222,
) -> None:
    """Write the Airflow connections of the warehouse and of the partners' accounts."""
    from kinbridge.deployment.connections import SftpServer, connections, write_connections
    from kinbridge.deployment.partner_accounts import pinned
    from kinbridge.partner.profile import partners
    from kinbridge.warehouse.roles import role_dsns

    found = connections(role_dsns(roles), SftpServer(host, port, pinned(server)), keys, partners())
    write_connections(out, found)
    typer.echo(f"Connections: {', '.join(found)}.")
