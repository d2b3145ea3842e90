"""The Airflow DAG that links, builds and publishes. The wiring is in kinbridge.orchestration.integrate."""

from kinbridge.orchestration.integrate import integrate_dag

dag = integrate_dag()
