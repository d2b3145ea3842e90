"""Measurements that a person runs: how long the real path takes, beside the least that Postgres itself needs."""
