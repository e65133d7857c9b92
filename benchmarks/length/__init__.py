"""Whether a conversation grows dearer with its length."""
