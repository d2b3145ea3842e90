"""What Airflow imports at every start, from its `config` folder (see Configuring local settings in its docs).

The processes that run tasks fork one for each task. What they have imported the forks inherit, instead of seconds of
imports for every task.
"""

import os
import sys

# The local executor's tasks are forks of the scheduler, Celery's of its worker.
forks_tasks = "worker" if os.environ.get("AIRFLOW__CORE__EXECUTOR") == "CeleryExecutor" else "scheduler"

if forks_tasks in sys.argv:
    from kinbridge.receive import preload

    preload()
