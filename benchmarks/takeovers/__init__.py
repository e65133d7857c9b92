"""Takeovers at random moments of a turn, in large numbers, and how long they take."""
