"""Employees while people work on them: drafts, what is wrong with one, and how it becomes a version.

What an employee is goes through ``publishing.add_version`` alone, whoever publishes: people in the portal, or a file.
"""
