"""Budgets of a month: what is held, counted and let go of."""
