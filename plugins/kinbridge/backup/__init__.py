"""Backups in which every partner's data have keys of their own: what has to go is destroyed by destroying its keys."""
