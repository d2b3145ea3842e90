"""Notices: what partners' contacts and our office are told by e-mail, once, and the ledger's memory of it."""
