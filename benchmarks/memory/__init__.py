"""How well and how fast memory is recalled: on long conversations that people wrote, and among many memories."""
