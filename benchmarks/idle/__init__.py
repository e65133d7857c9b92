"""What conversations cost in which nobody says anything."""
