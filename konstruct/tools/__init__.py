"""Tools: which an employee has, what a call of one may do, and what came of it."""
