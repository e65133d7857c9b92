"""What a connection is for: what is turned down before a model is asked, and what is said then."""

from konstruct.scope.judging import Bounds, Verdict, bounds, judge

__all__ = ["Bounds", "Verdict", "bounds", "judge"]
