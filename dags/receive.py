"""One Airflow DAG for each feed's contract. The wiring is in kinbridge.orchestration.receive."""

from kinbridge.orchestration.receive import receive_dags

for dag in receive_dags():
    globals()[dag.dag_id] = dag
