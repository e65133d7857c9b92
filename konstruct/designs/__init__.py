"""Drafts of employees: edited, compared, published, and taken back to an earlier version."""
