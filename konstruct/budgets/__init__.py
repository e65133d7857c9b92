"""What a business may spend on models in a calendar month: held before each call, settled after it."""
