"""DocumentReader: each document is taken apart in a child process of its own, which can do no harm when it fails.

`reader.py` is the parent's side, and the only one that the rest may import. `child.py` is the program of the other
side; what it imports has to stay small, since it starts once a document.
"""
