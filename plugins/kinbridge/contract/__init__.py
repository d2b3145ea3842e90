"""Contracts: a feed's ODCS file, read into a `Feed` with its columns and rules."""
