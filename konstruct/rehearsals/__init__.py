"""Trying a draft out: a chat that runs what contacts get, shows each step, and counts for nothing else."""
