"""Airflow as processes of this machine: API server, scheduler (LocalExecutor), DAG processor, triggerer.

Its metadata live in a database of their own, as a role that sees nothing of the warehouse. For the demo and for tests;
in production the same DAGs run in the site's own Airflow.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

from kinbridge.bundled import process
from kinbridge.errors import KinbridgeError
from kinbridge.settings import home
from kinbridge.warehouse.connection import Dsn
from kinbridge.warehouse.secret_file import write_private

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
USER = "admin"
# The roles of those who log in, as Airflow's simple auth manager has them. The charter says who they are: a decision
# that needs two people needs two log-ins.
USERS = {USER: "admin", "steward": "user", "privacy": "user", "analyst": "viewer"}
READY_SECONDS = 180.0
ATTEMPTS = 3
PASSWORDS = "passwords.json"
LOCAL_SETTINGS = "airflow_local_settings.py"
PREFERRED_PORTS = {"port": 8080, "worker_log_port": 8793, "trigger_log_port": 8794}


@dataclass(frozen=True)
class AirflowService:
    """A running bundled Airflow: its address, and a log-in; `as_user` gives those of its other users."""

    folder: Path
    port: int
    user: str
    password: str = field(repr=False)

    def as_user(self, name: str) -> AirflowService:
        """The same service with the log-in of another of its users."""
        return replace(self, user=name, password=_passwords(self.folder, _settings(self.folder))[name])

    @property
    def url(self) -> str:
        """The address of the UI and of the API."""
        return f"http://127.0.0.1:{self.port}"


def start(folder: Path, metadata: Dsn, *, environment: dict[str, str] | None = None) -> AirflowService:
    """Start the Airflow of this folder, or return it when it runs already.

    `environment` is added to that of the processes (for tests: other include folders). Raises KB-S30 when the metadata
    cannot be migrated and KB-S31 when a component does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = _settings(folder)
    if all(_alive(folder, name) for name in COMPONENTS):
        return _service(folder, settings)
    stop(folder)
    _passwords(folder, settings)
    _write_local_settings(folder)
    for attempt in range(1, ATTEMPTS + 1):
        _choose_ports(folder, settings)
        environ = {**environment_of(folder, settings, metadata), **(environment or {})}
        if attempt == 1:
            _migrate(folder, environ)
        for name in COMPONENTS:
            process.spawn(
                [str(_airflow()), name],
                service=f"Airflow {name}",
                pid_file=folder / f"{name}.pid",
                log=folder / f"{name}.log",
                folder=home(),
                environment=environ,
            )
        service = _service(folder, settings)
        try:
            _wait(service)
            break
        except KinbridgeError:
            # Another program may have taken the port since we looked; then, and only then, try another one.
            if attempt == ATTEMPTS or process.free_port(service.port) == service.port:
                raise
            stop(folder)
    return service


def _service(folder: Path, settings: dict[str, str]) -> AirflowService:
    return AirflowService(folder, int(settings["port"]), USER, settings["password"])


def _choose_ports(folder: Path, settings: dict[str, str]) -> None:
    """Free ports, those of the last time if they are; kept for the next time."""
    for name, preferred in PREFERRED_PORTS.items():
        settings[name] = str(process.free_port(int(settings.get(name, preferred))))
    write_private(folder / "settings.json", json.dumps(settings))


def stop(folder: Path) -> bool:
    """Stop every component that this folder's pid files name, and nothing else. Whether any ran.

    Each takes some seconds to end, so they end together; the API server after them, for tasks report to it.
    """

    def ended(name: str) -> bool:
        return process.stop(folder / f"{name}.pid", service=f"Airflow {name}")

    server, *others = COMPONENTS
    with ThreadPoolExecutor(len(others)) as pool:
        stopped = list(pool.map(ended, others))
    return any([*stopped, ended(server)])


def environment_of(folder: Path, settings: dict[str, str], metadata: Dsn) -> dict[str, str]:
    """The environment of all components. Secrets stand in it, as Airflow wants; never in arguments."""
    url = f"http://127.0.0.1:{settings['port']}"
    environ = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW") and k != "PYTHONDONTWRITEBYTECODE"}
    environ["PATH"] = f"{_airflow().parent}{os.pathsep}{environ.get('PATH', '')}"
    return environ | {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home() / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home() / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "3",
        "AIRFLOW__CORE__FERNET_KEY": settings["fernet_key"],
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / PASSWORDS),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.sqlalchemy_url,
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": settings["port"],
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": settings["secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": settings["jwt_secret"],
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": "0o600",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": "0o700",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": settings["worker_log_port"],
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": settings["trigger_log_port"],
        # A supervisor that misses the end of its task looks again only after this many seconds, and keeps the slot.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "GX_ANALYTICS_ENABLED": "false",
        "PYTHONUNBUFFERED": "1",
    }


def _settings(folder: Path) -> dict[str, str]:
    """The secrets of this Airflow, made once and kept in a private file."""
    file = folder / "settings.json"
    if file.is_file():
        kept: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        return kept
    made = {
        "password": secrets.token_urlsafe(12),
        "fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"),
        "secret_key": secrets.token_hex(32),
        "jwt_secret": secrets.token_hex(64),
    }
    write_private(file, json.dumps(made))
    return made


def _passwords(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """The users' passwords, made once and kept in the private file that Airflow reads."""
    file = folder / PASSWORDS
    kept: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    wanted = {USER: settings["password"], **{name: secrets.token_urlsafe(12) for name in USERS if name != USER}}
    passwords = {name: kept.get(name, password) for name, password in wanted.items()}
    if passwords != kept:
        write_private(file, json.dumps(passwords))
    return passwords


def _write_local_settings(folder: Path) -> None:
    (folder / "config").mkdir(exist_ok=True, mode=0o700)
    shutil.copy(home() / "deploy" / LOCAL_SETTINGS, folder / "config" / LOCAL_SETTINGS)


def _migrate(folder: Path, environ: dict[str, str]) -> None:
    with (folder / "migrate.log").open("wb") as log:
        done = subprocess.run(
            [str(_airflow()), "db", "migrate"], env=environ, stdout=log, stderr=log, cwd=home(), check=False
        )
    if done.returncode:
        raise KinbridgeError("KB-S30", log=folder / "migrate.log")


def _alive(folder: Path, name: str) -> bool:
    return process.read_pid_file(folder / f"{name}.pid") is not None


def _wait(service: AirflowService) -> None:
    """Until the API answers and every component lives."""
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(service):
        for name in COMPONENTS:
            if not _alive(service.folder, name):
                raise KinbridgeError("KB-S31", component=name, log=service.folder / f"{name}.log")
        if time.monotonic() > deadline:
            raise KinbridgeError("KB-S31", component="api-server", log=service.folder / "api-server.log")
        time.sleep(0.5)


def _answers(service: AirflowService) -> bool:
    """Whether the API lets us in with our password; another Airflow on the port would not."""
    body = json.dumps({"username": service.user, "password": service.password}).encode("ascii")
    call = urllib.request.Request(f"{service.url}/auth/token", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(call, timeout=5) as answer:
            return int(answer.status) == HTTPStatus.CREATED
    except OSError:
        return False


def _airflow() -> Path:
    """The `airflow` command beside the Python that runs us."""
    return Path(sys.executable).parent / "airflow"
