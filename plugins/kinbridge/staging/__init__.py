"""Staging: a landed file's authorised columns, streamed into its landing table as text, every row with its line number."""
