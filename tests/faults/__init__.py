"""What goes wrong is made to go wrong: real processes, faults in an order that a seed decides, and a checker.

It compares what went in with what came out, as people outside see it: ``python -m tests.faults``; docs/faults.md.
"""
