"""What a turn uses up, part by part, and what a million of them would cost."""
