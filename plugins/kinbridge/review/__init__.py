"""Clerical review: the queue of pairs, looks at them, and decisions."""
