"""Rehearsals: a draft is tried out in a conversation of its own kind, through the pipeline that answers contacts.

What makes a conversation a rehearsal is its row in ``rehearsals``, which holds the draft as it was when it began;
``employees.answering`` takes the employee from there. Nobody is rung, nothing reaches a channel, and what it costs is
marked in the ledger. ``rooms`` begins, goes on with and forgets them, ``pretending`` is what is not really done,
``steps`` what is kept of each step, ``showing`` what the one who rehearses sees.
"""
