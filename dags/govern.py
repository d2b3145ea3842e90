"""The Airflow DAGs of expiry, recalls, retention and destruction. The wiring is in kinbridge.orchestration.govern."""

from kinbridge.orchestration.govern import destroy_dag, govern_dag

govern = govern_dag()
destroy = destroy_dag()
