"""The Airflow DAG that releases a named extract on demand. The wiring is in kinbridge.orchestration.release."""

from kinbridge.orchestration.release import release_dag

dag = release_dag()
