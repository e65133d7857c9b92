"""What an employee can look up: documents, cut so that a part of one can be found and understood alone."""
