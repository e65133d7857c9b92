"""The record of conversations, for people: which there are, and of one all that happened in it, in its order.

``listing`` finds them, ``overview`` is one at a glance, ``timeline`` reads its events page by page, ``wording`` says
them, and ``exporting`` writes all of it down. Nothing here changes anything.
"""
