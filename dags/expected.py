"""The Airflow DAG that tells what is due and overdue. The wiring is in kinbridge.orchestration.calendar.

It is not named calendar.py: this folder is on Python's path, and the name would hide a module of the standard library.
"""

from kinbridge.orchestration.calendar import calendar_dag

dag = calendar_dag()
