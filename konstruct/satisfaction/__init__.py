"""Satisfaction: contacts are asked how they were helped, where a tenant wants it, and what they answer is kept.

``terms`` is what the tenant chose, ``asking`` finds who is to be asked and asks, ``answering`` tells an answer from
an ordinary message, ``texts`` has the words. An answer is a number from 1 to 5, and begins no turn.
"""
