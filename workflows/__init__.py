"""What happens, in order, and what survives a crash: deterministic, without I/O."""
