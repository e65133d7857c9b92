"""What one business feels of another that is flooded with messages."""
