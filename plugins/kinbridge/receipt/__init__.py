"""Receipts: what goes back to the partner about a delivery. Counts, lines, columns and rules; never a value."""
