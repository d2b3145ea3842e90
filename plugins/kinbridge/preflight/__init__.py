"""Preflight: a file held against its contract on the partner's own machine, by the steps that intake takes."""
