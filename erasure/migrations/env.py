"""Alembic's entry: runs the migrations of schema `erasure` on the connection that it is handed.

Add here: nothing; a change of the schema is a new file under `versions/`.
Keep out: settings and secrets, which the caller turns into a connection.
"""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table_schema="erasure", transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
