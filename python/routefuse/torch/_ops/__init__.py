"""What converts each operation, by kind."""

from . import creation, lookup, movement, pointwise, random, rows

__all__ = ["creation", "lookup", "movement", "pointwise", "random", "rows"]
