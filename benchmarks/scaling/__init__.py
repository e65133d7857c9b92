"""How many turns a second more processes make, on one machine with shared services."""
