"""Backups, and putting them back: what is under way in a database of an earlier moment may have been done since, and is
not done again.

``copying`` makes a backup, ``putting_back`` loads one, ``fencing`` settles what was under way in it by what the
channels say, ``anchoring`` tells the anchors, and ``restorations`` keeps everybody from working on it before.
"""
