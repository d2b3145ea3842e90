"""The DAG files, and the fences around Airflow: what parses, what may import it, what it may import."""

from __future__ import annotations

import ast
import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kinbridge.contract.odcs import feeds
from kinbridge.settings import home

DAGS = home() / "dags"
PACKAGE = home() / "plugins" / "kinbridge"
STEPS = ["stage", "validate", "hold", "load", "receipt"]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """All files through Airflow's own DagBag, as the DAG processor parses them; the metadata stay in a folder here."""
    folder = tmp_path_factory.mktemp("airflow")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AIRFLOW") or name.startswith("KINBRIDGE")]:
            patch.delenv(name)
        patch.setenv("AIRFLOW_HOME", str(folder))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.setenv("AIRFLOW__CORE__UNIT_TEST_MODE", "True")
        feeds.cache_clear()
        from airflow.dag_processing.dagbag import DagBag

        yield DagBag(DAGS, bundle_path=DAGS, bundle_name="dags-folder")


def test_every_file_parses(bag: Any) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {f"receive__{feed.slug}" for feed in feeds().values()} | {
        "integrate",
        "calendar",
        "decide",
        "destroy",
        "govern",
        "release",
    }


def test_a_feed_is_collected_and_then_each_delivery_goes_its_way(bag: Any) -> None:
    for feed in feeds().values():
        dag = bag.dags[f"receive__{feed.slug}"]
        chain = ["collect", *(f"delivery.{step}" for step in STEPS)]
        assert set(dag.task_ids) == set(chain)
        for before, after in itertools.pairwise(chain):
            assert after in dag.get_task(before).downstream_task_ids, (feed.id, before, after)
        assert {t.task_id for t in dag.tasks if t.pool == "sftp"} == {"collect", "delivery.receipt"}


def test_nothing_is_retried_for_ever_and_everything_at_least_once(bag: Any) -> None:
    for dag in bag.dags.values():
        assert not dag.catchup
        for task in dag.tasks:
            assert 1 <= task.retries <= 5, task.task_id
            assert 0 < task.retry_delay.total_seconds() <= 300, task.task_id


def test_schedules_are_those_of_the_contracts(bag: Any) -> None:
    from airflow.sdk import Asset, AssetAny

    every: set[str] = set()
    for feed in feeds().values():
        timetable = bag.dags[f"receive__{feed.slug}"].timetable
        clock = getattr(timetable, "timetable", timetable)
        assert clock.expression == feed.schedule
        siblings = {f"kinbridge://record/{name}" for name in feed.siblings}
        assert _uris(timetable) == {*siblings, f"kinbridge://inbox/{feed.id}"}
        load = bag.dags[f"receive__{feed.slug}"].get_task("delivery.load")
        assert [o.uri for o in load.outlets if isinstance(o, Asset)] == [f"kinbridge://record/{feed.id}"]
        every.add(f"kinbridge://record/{feed.id}")
    integrate = bag.dags["integrate"]
    assert _uris(integrate.timetable) == every
    assert isinstance(integrate.timetable.asset_condition, AssetAny)
    assert integrate.max_active_runs == 1


def test_the_calendar_is_worked_every_morning_and_nothing_in_it_waits_for_the_rest(bag: Any) -> None:
    dag = bag.dags["calendar"]
    assert dag.timetable.expression == "0 6 * * *"
    assert set(dag.task_ids) == {"alerts", "deliveries"}
    assert not any(task.downstream_task_ids for task in dag.tasks)


def _uris(timetable: Any) -> set[str]:
    condition = getattr(timetable, "asset_condition", None)
    return set(_flat(condition)) if condition else set()


def _flat(condition: Any) -> Iterator[str]:
    """The URIs of all assets of a condition, however it is nested."""
    for item in condition.objects:
        yield from _flat(item) if hasattr(item, "objects") else [item.uri]


def test_dag_files_hold_wiring_only() -> None:
    for path in DAGS.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 20, path.name
        imported = {
            node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.module
        }
        assert all(name.startswith("kinbridge.orchestration") for name in imported), path.name
        assert not any(isinstance(node, ast.Import) for node in ast.walk(ast.parse(text))), path.name


# In a process of its own, since tests of DAGs leave Airflow in sys.modules; one import forbids itself.
NO_AIRFLOW = """
import importlib, pkgutil, sys

class Fence:
    def find_spec(self, name, path=None, target=None):
        if name == "airflow" or name.startswith("airflow."):
            raise ImportError("airflow is imported here")
        return None

sys.meta_path.insert(0, Fence())
import kinbridge

count = 0
for module in pkgutil.walk_packages(kinbridge.__path__, "kinbridge."):
    parts = module.name.split(".")
    if parts[1] == "orchestration" or "migrations" in parts or parts[-1] == "__main__":
        continue
    importlib.import_module(module.name)
    count += 1
print(count)
try:
    importlib.import_module("kinbridge.orchestration.receive")
except ImportError as error:
    sys.exit(0 if "airflow is imported here" in str(error) else 3)
sys.exit(4)
"""


def test_only_orchestration_imports_airflow() -> None:
    done = subprocess.run([sys.executable, "-c", NO_AIRFLOW], capture_output=True, text=True, check=False, cwd=home())
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 100


def test_only_orchestration_names_airflow_even_inside_functions() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] == "orchestration":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and node.level == 0
                else []
            )
            assert not any(name.split(".")[0] == "airflow" for name in names), path


def test_great_expectations_folder_does_not_shadow_the_library() -> None:
    assert not (home() / "great_expectations" / "__init__.py").exists()
    code = "import great_expectations as g; print(g.__version__)"
    environment = {**os.environ, "PYTHONPATH": str(home()), "GX_ANALYTICS_ENABLED": "false"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=home(), env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_airflow_does_not_import_the_package_by_bare_names() -> None:
    """Without the ignore file `plugins/kinbridge/cli/main.py` would be imported as `main`, its folder on the path."""
    from airflow._shared.module_loading.file_discovery import find_path_from_directory

    found = [
        path
        for path in find_path_from_directory(str(home() / "plugins"), ".airflowignore", "glob")
        if path.endswith(".py")
    ]
    assert [Path(path).name for path in found] == ["kinbridge_plugin.py"]


def test_a_task_process_reads_one_contract_only() -> None:
    code = textwrap.dedent(
        """
        import os
        os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = "receive__snap__participation_v1"
        os.environ["_AIRFLOW_PARSING_CONTEXT_TASK_ID"] = "collect"
        from kinbridge.orchestration.receive import receive_dags
        print(",".join(dag.dag_id for dag in receive_dags()))
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=home())
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "receive__snap__participation_v1"
