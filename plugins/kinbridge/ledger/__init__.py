"""The ledger: what happened to every delivery, and the account of its rows."""
