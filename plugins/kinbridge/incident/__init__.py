"""Breaches: what is affected, whom it has to be told to by when, and the drafts of what is told."""
