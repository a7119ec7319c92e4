"""Functions of torch as engines write them, of our own: each is captured, and compared with itself run eagerly."""

from . import activation, packing, post, selection, shared
from .case import CASES, Case, Ties

__all__ = ["CASES", "Case", "Ties", "activation", "packing", "post", "selection", "shared"]
