"""The one-machine stack: Postgres, Valkey, Temporal and a small model as supervised children of one process.

It knows programs, folders and ports; what the product stores or sends is not its business.
"""
