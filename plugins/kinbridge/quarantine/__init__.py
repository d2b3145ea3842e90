"""Quarantine: which rows wait and why, a steward's look at them, and their replay once a declaration was mended."""
