"""What agents see of all conversations: which need somebody, in which order, and whether anything has changed."""
