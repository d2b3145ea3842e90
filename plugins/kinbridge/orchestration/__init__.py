"""Orchestration: the DAGs' building blocks. The only package that imports Airflow."""
