"""What crosses the Temporal boundary: ids and small facts in frozen dataclasses. Fields are only ever added."""
