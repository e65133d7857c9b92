"""Keys for models that a tenant brings: sealed, shown by their last four characters, tried, replaced, removed."""
