"""When people are brought in: an employee's rules, what they look at, and which of them fires.

What was judged of turns, and trying rules out on them, are in ``judgements`` and ``trying``; the rest is without I/O.
"""
