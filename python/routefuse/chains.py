"""The chains that engines run between a router's top-k and the expert GEMMs, with their default sizes, as graphs."""

from __future__ import annotations

from ._routefuse import Graph, chain_graph, chain_names


def names() -> list[str]:
    """The names of the chains, as "a_remap_static"."""
    return chain_names()


def graph(name: str) -> Graph:
    """The chain of this name as a graph. Raises Error (RF1001) for an unknown one."""
    return chain_graph(name)
