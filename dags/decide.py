"""The Airflow DAG that asks members for their ballots. The wiring is in kinbridge.orchestration.decision."""

from kinbridge.orchestration.decision import decide_dag

dag = decide_dag()
