"""How long what was said is kept, and the work of letting go of what is older."""
