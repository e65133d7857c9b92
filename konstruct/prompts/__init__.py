"""Prompt text, one Markdown file each."""
