"""The warehouse: the Postgres database, its schemas, roles and migrations."""
