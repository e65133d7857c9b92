"""The database's shape, step by step. Run by `konstruct migrate`."""
