"""Receive: the steps that a delivery goes through, each one transaction, each safe to repeat after a kill."""
