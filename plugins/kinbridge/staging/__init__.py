"""Staging: a landed file's authorised columns, streamed into its landing table as text, each row with its line."""
