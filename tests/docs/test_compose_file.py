"""docker-compose.yml held against itself, .env.example and the image: what `docker compose config` does not see."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kinbridge.deployment.secret_check import FERNET_KEY, LEAST_LENGTH, check_secrets
from kinbridge.errors import KinbridgeError
from kinbridge.settings import home

TEXT = (home() / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"provision", "airflow-init"}
EXAMPLE = (home() / ".env.example").read_text(encoding="utf-8")
SECRETS = {*LEAST_LENGTH, FERNET_KEY}


def settings(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


def test_every_service_has_a_health_check_or_runs_once() -> None:
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == ONCE
    for name, service in SERVICES.items():
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped")


def test_what_a_service_waits_for_exists_and_can_come_true() -> None:
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert how == {"condition": expected}


def test_volumes_and_networks_are_declared_and_used() -> None:
    named = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert named == set(COMPOSE["volumes"])
    assert {net for service in SERVICES.values() for net in service["networks"]} == set(COMPOSE["networks"])
    assert COMPOSE["networks"]["inner"] == {"internal": True}


def test_only_two_services_publish_ports() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"airflow-apiserver", "sftp"}


def test_passwords_and_keys_are_mounted_where_they_are_needed_only() -> None:
    holders = {name for name, s in SERVICES.items() if any(v.startswith("secrets:") for v in s.get("volumes", []))}
    assert holders == ONCE
    # A worker runs tasks: it must not be able to reach Airflow's metadata database.
    worker = SERVICES["airflow-worker"]
    assert not any(name.startswith("AIRFLOW__DATABASE__") for name in worker["environment"])
    assert not any(volume.startswith("airflow_database:") for volume in worker["volumes"])


def test_the_example_names_every_variable_and_no_secret() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", TEXT))
    assert set(settings(EXAMPLE)) == used
    assert {name for name, value in settings(EXAMPLE).items() if not value} == SECRETS
    # An empty value must stop Compose: each secret is used at least once with `:?`.
    assert set(re.findall(r"\$\{([A-Z_]+):\?", TEXT)) == SECRETS


def test_made_secrets_are_accepted_and_differ_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("make_env", home() / "deploy" / "make_env.py")
    assert spec is not None
    assert spec.loader is not None
    make_env = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_env)
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / ".env.example").write_text(EXAMPLE, encoding="utf-8")
        monkeypatch.setattr(make_env, "ROOT", folder)
        assert make_env.main() == 0
        assert (folder / ".env").stat().st_mode & 0o777 == 0o600
        made.append(settings((folder / ".env").read_text(encoding="utf-8")))
        check_secrets(made[-1])
        assert make_env.main() == 1  # never overwritten
        assert settings((folder / ".env").read_text(encoding="utf-8")) == made[-1]
    assert all(made[0][name] != made[1][name] for name in SECRETS)
    with pytest.raises(KinbridgeError, match="KB-S40"):
        check_secrets(settings(EXAMPLE))


def test_the_image_ignores_what_it_must_not_hold() -> None:
    lines = (home() / ".dockerignore").read_text(encoding="utf-8").split()
    assert lines[0] == "*"
    assert not any(line.startswith(("!.env", "!.kinbridge", "!.git", "!tests")) for line in lines)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", (home() / "Dockerfile").read_text(encoding="utf-8"), re.M):
        for path in source.split():
            assert any(line.removeprefix("!").split("/")[0] == path.split("/")[0] for line in lines), path
