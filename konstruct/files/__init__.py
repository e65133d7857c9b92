"""Files that people send along: what they are, what becomes of each, and what an employee is shown of them.

Their content is sealed under the contact's key before it lies anywhere. Nothing here fetches or opens a file.
"""
