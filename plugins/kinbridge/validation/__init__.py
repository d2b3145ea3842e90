"""Validation: a staged delivery held against its contract, by Great Expectations and by SQL that must agree with it."""
