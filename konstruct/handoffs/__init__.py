"""Handoffs: who owns a conversation, what people write in it, and what they are shown of it.

A handoff is ``waiting`` (the queue owns the conversation), ``owned`` (by one agent), or ``over``; or it is ``told``:
people were only told, and the employee goes on. Every change of owner holds the conversation's row and raises its
epoch, and what the employee has under way is withdrawn in the same transaction.
"""
