"""Finds fields and what says whose they are in a JSON document, however the document was written.

Holds: `Document`, its values with their places.
Add here: another way in which the engine understands one and the same path.
Keep out: clients, and what a value means. The store walks through objects instead; this flattens them first, so
that both do not share a mistake.
"""

from collections.abc import Iterator
from typing import Any

from erasure.document_paths import common_depth, steps_of

# The lists a value stands in, from outside: (how many names lead to the list, place within it).
_Lists = tuple[tuple[int, int], ...]


class Document:
    """A document as its leaves: names that lead there, lists passed on the way, value.

    The engine takes an object for a list of one, a list for several values, and `{"a.b": 1}` for
    `{"a": {"b": 1}}`: so does this.
    """

    def __init__(self, source: Any) -> None:
        self._leaves = list(_leaves(source, (), ()))
        self._found: dict[str, list[tuple[_Lists, Any]]] = {}
        self._elements: dict[tuple[str, int], dict[_Lists, list[Any]]] = {}

    def values(self, path: str) -> list[tuple[_Lists, Any]]:
        """Where a field stands and its value; of an object at the path, all that it holds."""
        if path not in self._found:
            steps = steps_of(path)
            self._found[path] = [
                (lists, value) for names, lists, value in self._leaves if names[: len(steps)] == steps
            ]
        return self._found[path]

    def beside(self, path: str, lists: _Lists, other: str) -> list[Any]:
        """What stands at another path in the same element as a value of the first, or else in the nearest around it."""
        depth = common_depth(steps_of(other), steps_of(path))
        elements = self._by_element(other, depth)
        mine = _down_to(depth, lists)
        for length in range(len(mine), -1, -1):
            if mine[:length] in elements:
                return elements[mine[:length]]
        return []

    def _by_element(self, path: str, depth: int) -> dict[_Lists, list[Any]]:
        if (path, depth) not in self._elements:
            elements: dict[_Lists, list[Any]] = {}
            for lists, value in self.values(path):
                if value is not None:
                    elements.setdefault(_down_to(depth, lists), []).append(value)
            self._elements[path, depth] = elements
        return self._elements[path, depth]


def text(value: Any) -> str | None:
    """A value as a rule or a comparison takes it."""
    return None if value is None else str(value)


def _leaves(
    node: Any, names: tuple[str, ...], lists: _Lists
) -> Iterator[tuple[tuple[str, ...], _Lists, Any]]:
    if isinstance(node, dict):
        for key, held in node.items():
            yield from _leaves(held, (*names, *key.split(".")), lists)
    elif isinstance(node, list):
        for place, held in enumerate(node):
            yield from _leaves(held, names, (*lists, (len(names), place)))
    else:
        yield names, lists, node


def _down_to(depth: int, lists: _Lists) -> _Lists:
    return tuple(one for one in lists if one[0] <= depth)
