"""How often a task tries again by itself, and how long it waits. A site may say otherwise in the environment.

`KINBRIDGE_RETRIES` (2) and `KINBRIDGE_RETRY_SECONDS` (20, doubled at each further try) hold for every task;
`KINBRIDGE_QUIET_SECONDS` (900) is how long the integrate DAG waits at most for deliveries under way; then it goes on.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

RETRIES = int(os.environ.get("KINBRIDGE_RETRIES") or 2)
RETRY_DELAY = timedelta(seconds=float(os.environ.get("KINBRIDGE_RETRY_SECONDS") or 20))
QUIET_SECONDS = int(os.environ.get("KINBRIDGE_QUIET_SECONDS") or 900)

TASK_DEFAULTS: dict[str, Any] = {"retries": RETRIES, "retry_delay": RETRY_DELAY, "retry_exponential_backoff": True}
