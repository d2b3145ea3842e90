"""Declarations: the YAML, CSV and SQL in `include/`, read with the line of every value, and checked."""
