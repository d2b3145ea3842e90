"""Alembic's entry: runs the migrations on the connection that `kinbridge.warehouse.migrate` passes in."""

from alembic import context

from kinbridge.warehouse.migrate import VERSION_SCHEMA, VERSION_TABLE

connection = context.config.attributes.get("connection")
if connection is None:
    context.configure(
        dialect_name="postgresql",
        literal_binds=True,
        version_table=VERSION_TABLE,
        version_table_schema=VERSION_SCHEMA,
    )
else:
    context.configure(connection=connection, version_table=VERSION_TABLE, version_table_schema=VERSION_SCHEMA)

with context.begin_transaction():
    context.execute(f"CREATE SCHEMA IF NOT EXISTS {VERSION_SCHEMA}")
    context.run_migrations()
