"""What Kinbridge adds to Airflow's UI: the page on which stewards review pairs. The page itself is in the package.

Every process of Airflow imports this file, tasks too; only the API server ever needs what is behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

BASE = "/kinbridge/review"
Message = MutableMapping[str, Any]


class Review:
    """The review page as an ASGI application, imported when it is first asked for."""

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Hand the request on."""
        from kinbridge.orchestration.review import app

        await app(scope, receive, send)


class KinbridgePlugin(AirflowPlugin):  # type: ignore[misc]
    """Found by Airflow in this folder."""

    name = "kinbridge"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [{"app": Review(), "url_prefix": BASE, "name": "Review of pairs"}]
    external_views: ClassVar[list[dict[str, Any]]] = [
        {"name": "Review", "href": f"{BASE}/", "url_route": "review", "destination": "nav", "category": "browse"}
    ]
