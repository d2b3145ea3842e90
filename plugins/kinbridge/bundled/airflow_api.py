"""Airflow's REST API, as far as the demo and the tests need it. The `airflow` command takes seconds for each call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from kinbridge.bundled.airflow_service import AirflowService
from kinbridge.errors import KinbridgeError

PAGE = 100


@dataclass
class AirflowApi:
    """A client that is logged in as the service's user. Raises `KinbridgeError` KB-S32 when Airflow refuses a call."""

    service: AirflowService
    _client: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._client = httpx.Client(base_url=self.service.url, timeout=60.0)
        token = self._client.post(
            "/auth/token", json={"username": self.service.user, "password": self.service.password}
        )
        if token.status_code >= HTTPStatus.BAD_REQUEST:
            raise KinbridgeError("KB-S32", call="log in", status=token.status_code)
        self._client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """One call below /api/v2; returns the decoded answer."""
        answer = self._client.request(method, f"/api/v2{path}", json=body, params=query)
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            raise KinbridgeError("KB-S32", call=f"{method} {path}", status=answer.status_code)
        return answer.json() if answer.content else None

    def put_connection(self, connection_id: str, **fields: Any) -> None:
        """Create or replace an Airflow connection."""
        body = {"connection_id": connection_id, **fields}
        known = self._client.get(f"/api/v2/connections/{connection_id}").status_code == HTTPStatus.OK
        if known:
            self.call("PATCH", f"/connections/{connection_id}", body)
        else:
            self.call("POST", "/connections", body)

    def put_pool(self, name: str, slots: int, description: str) -> None:
        """Create or resize a pool."""
        body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        if self._client.get(f"/api/v2/pools/{name}").status_code == HTTPStatus.OK:
            self.call("PATCH", f"/pools/{name}", body)
        else:
            self.call("POST", "/pools", body)

    def dag_ids(self) -> set[str]:
        """The DAGs that Airflow has parsed."""
        return {dag["dag_id"] for dag in self.call("GET", "/dags", limit=PAGE)["dags"]}

    def import_errors(self) -> list[str]:
        """Files that could not be parsed."""
        return [error["filename"] for error in self.call("GET", "/importErrors")["import_errors"]]

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's schedule run."""
        self.call("PATCH", f"/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str) -> str:
        """Start a run now; returns its id."""
        return str(self.call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"])

    def runs(self) -> list[dict[str, Any]]:
        """All DAG runs, oldest first."""
        return list(self._pages("/dags/~/dagRuns", "dag_runs", order_by="id"))

    def task_instances(self, dag_id: str = "~", run_id: str = "~") -> list[dict[str, Any]]:
        """Task instances of one run, or of all."""
        return list(self._pages(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances"))

    def questions(self) -> list[dict[str, Any]]:
        """The human-in-the-loop requests that nobody has answered."""
        answer = self.call("GET", "/dags/~/dagRuns/~/hitlDetails", limit=PAGE, response_received=False)
        return list(answer["hitl_details"])

    def answer(self, question: dict[str, Any], option: str, reason: str) -> None:
        """Answer one request, as a person does in the UI."""
        instance = question["task_instance"]
        path = (
            f"/dags/{instance['dag_id']}/dagRuns/{instance['dag_run_id']}"
            f"/taskInstances/{instance['task_id']}/{instance['map_index']}/hitlDetails"
        )
        self.call("PATCH", path, {"chosen_options": [option], "params_input": {"reason": reason}})

    def _pages(self, path: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            items = self.call("GET", path, limit=PAGE, offset=offset, **query)[key]
            yield from items
            if len(items) < PAGE:
                return
            offset += PAGE
