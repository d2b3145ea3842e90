"""Builds `integrated` from linked records and publishes `mart` from it, by the SQL below include/sql."""
