"""What models cost and what became of conversations, over a period of days: read from the ledger and the record as they
are, so that whatever is added up differently comes to the same.
"""
