"""Put things that refer to each other by interchangeable names in an order that no name decides.

Things have a colour, by what they hold, and hold names in places. Two inputs that differ only in
what the names are, and in the order of the things, come out the same. That is the canonical form of
a coloured graph: colours are refined until neighbours tell nothing more apart, then the choice that
is left is tried out, one component at a time, and the smallest result counts. Of choices that a
symmetry carries into each other one is tried: two that come out the same have shown such a one.

Source of the method: B. D. McKay and A. Piperno, "Practical graph isomorphism, II" (2014), with
little of its pruning: what is left to try are rings and the like, of documents that hold just the
same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

#: Things come first, names behind them.
Node: TypeAlias = int
#: By node: the nodes beside it, each with the place where the thing holds the name.
Graph: TypeAlias = list[list[tuple[Node, int]]]
Colours: TypeAlias = dict[Node, int]


def canonical_order(colours: Sequence[int], places: Sequence[Sequence[int]]) -> list[int]:
    """Return the numbers of things in canonical order, those of the smallest colour first.

    `colours` has the colour of each thing, `places` the names that it holds, numbered from 0. Where
    two things can change places in the order, everything that they are part of can, too.
    """
    things = len(places)
    names = 1 + max((name for held in places for name in held), default=-1)
    graph: Graph = [[] for _ in range(things + names)]
    for thing, held in enumerate(places):
        for place, name in enumerate(held):
            graph[thing].append((things + name, place))
            graph[things + name].append((thing, place))
    fresh = 1 + max(colours, default=0)
    held_names = (node for node in range(things, len(graph)) if graph[node])
    coloured = dict(enumerate(colours)) | dict.fromkeys(held_names, fresh)
    fresh = _refine(graph, coloured, fresh + 1, coloured)
    order = _order(graph, list(coloured), coloured, fresh)
    return sorted((node for node in order if node < things), key=lambda node: colours[node])


def _refine(graph: Graph, colours: Colours, fresh: int, changed: Iterable[Node]) -> int:
    """Split colours until nodes of one have the same neighbours; return the next unused colour.

    `changed` are the nodes whose colour is new. Nodes without a colour do not count. What decides
    are colours and places alone, so that the new ones are canonical where the old ones were. Only
    what is beside a change is looked at, and the part of a colour that is not keeps it.
    """
    sizes = Counter(colours.values())
    while changed:
        beside: dict[Node, list[tuple[int, int]]] = defaultdict(list)
        for node in changed:
            for neighbour, place in graph[node]:
                if neighbour in colours:
                    beside[neighbour].append((place, colours[node]))
        parts: dict[int, dict[tuple[tuple[int, int], ...], list[Node]]] = defaultdict(dict)
        for node, seen in beside.items():
            if sizes[colours[node]] > 1:
                parts[colours[node]].setdefault(tuple(sorted(seen)), []).append(node)
        changed = []
        for colour in sorted(parts):
            split = sorted(parts[colour].items())
            if sum(len(nodes) for _, nodes in split) == sizes[colour]:
                split.remove(max(split, key=lambda part: len(part[1])))
            for _, nodes in split:
                colours.update(dict.fromkeys(nodes, fresh))
                sizes[colour] -= len(nodes)
                sizes[fresh] = len(nodes)
                changed += nodes
                fresh += 1
    return fresh


def _order(
    graph: Graph, nodes: list[Node], colours: Colours, fresh: int, *, at_once: bool = False
) -> list[Node]:
    """Order nodes whose colours are refined; `at_once` as the first choice has it, not the best."""
    sizes = Counter(colours[node] for node in nodes)
    single = sorted((n for n in nodes if sizes[colours[n]] == 1), key=colours.__getitem__)
    # What is alone in its colour is beside all of another colour in the same way, or beside none:
    # the components that are left without it do not know each other.
    components = list(_components(graph, {n for n in nodes if sizes[colours[n]] > 1}))
    if single or len(components) != 1:
        orders = [
            _order(graph, component, colours, fresh, at_once=at_once) for component in components
        ]
        orders.sort(key=lambda order: _description(graph, order, colours))
        return single + [node for order in orders for node in order]
    if len(nodes) == 1:
        return nodes
    # Nothing tells these apart: whichever is called the first, of all results take the smallest.
    colour = min(sizes, key=lambda colour: (sizes[colour], colour))
    alike = [node for node in nodes if colours[node] == colour]

    def order_from(first: Node, *, at_once: bool) -> list[Node]:
        tried = {node: colours[node] for node in nodes} | {first: fresh}
        refined = _refine(graph, tried, fresh + 1, [first])
        return _order(graph, nodes, tried, refined, at_once=at_once)

    if at_once:
        return order_from(alike[0], at_once=True)
    best = order_from(alike[0], at_once=False)
    least = _description(graph, best, colours)
    symmetric = _Orbits(alike)
    for node in alike[1:]:
        if symmetric.known(node):
            continue
        # Mostly any order from here shows a symmetry, and saves trying all.
        for at_once in (True, False):
            order = order_from(node, at_once=at_once)
            said = _description(graph, order, colours)
            if said == least:
                break
        if said == least:
            symmetric.join(best, order)
        else:
            symmetric.leave(node)
            if said < least:
                best, least = order, said
    return best


class _Orbits:
    """Hold which nodes symmetries carry into each other, and of which of them one was tried."""

    def __init__(self, nodes: list[Node]) -> None:
        """Take the nodes, of which the first was tried."""
        self._same = {node: node for node in nodes}
        self._tried = [nodes[0]]

    def known(self, node: Node) -> bool:
        """Tell whether a node is carried into one that was tried."""
        return self._root(node) in map(self._root, self._tried)

    def leave(self, node: Node) -> None:
        """Take note that a node was tried, and has shown no symmetry."""
        self._tried.append(node)

    def join(self, order: list[Node], other: list[Node]) -> None:
        """Take two orders that come out the same: what stands in one place is alike."""
        for one, two in zip(order, other, strict=True):
            if one in self._same:
                self._same[self._root(one)] = self._root(two)

    def _root(self, node: Node) -> Node:
        while self._same[node] != node:
            self._same[node] = self._same[self._same[node]]
            node = self._same[node]
        return node


def _components(graph: Graph, nodes: set[Node]) -> Iterator[list[Node]]:
    while nodes:
        component = [nodes.pop()]
        for node in component:  # grows meanwhile
            for neighbour, _ in graph[node]:
                if neighbour in nodes:
                    nodes.remove(neighbour)
                    component.append(neighbour)
        yield component


def _description(
    graph: Graph, order: list[Node], colours: Colours
) -> tuple[tuple[int, ...], list[tuple[int, int, int]]]:
    """Say all that there is to nodes in this order: equal for two, they are interchangeable."""
    at = {node: position for position, node in enumerate(order)}
    edges = sorted(
        (position, place, at[neighbour])
        for node, position in at.items()
        for neighbour, place in graph[node]
        if neighbour in at
    )
    return tuple(colours[node] for node in order), edges
