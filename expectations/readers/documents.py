"""Finds a field and its owner in a JSON document, however the document was written.

Holds: `pairs`.
Add here: another way in which the engine understands one and the same path.
Keep out: clients, and what a value means.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any


def pairs(document: Any, field: str, owner: str | None) -> Iterator[tuple[str | None, str | None]]:
    """Each value at the path, with the owner in the same object or element; None where one is absent.

    The engine takes an object for a list of one, a list for several values, and `{"a.b": 1}` for
    `{"a": {"b": 1}}`: so does this.
    """
    *above, leaf = field.replace("[]", "").split(".")
    owner_leaf = owner.replace("[]", "").split(".")[-1] if owner else None
    for depth in range(len(above) + 1):
        rest = above[depth:]
        for container in _containers(document, above[:depth]):
            held = _values(container, ".".join([*rest, leaf]))
            owners = _values(container, ".".join([*rest, owner_leaf])) if owner_leaf else [None]
            yield from product(held, owners)


def _containers(node: Any, steps: list[str]) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for element in node:
            yield from _containers(element, steps)
    elif isinstance(node, dict):
        if not steps:
            yield node
        for taken in range(1, len(steps) + 1):
            key = ".".join(steps[:taken])
            if key in node:
                yield from _containers(node[key], steps[taken:])


def _values(container: dict[str, Any], key: str) -> list[str | None]:
    found = container.get(key)
    listed = found if isinstance(found, list) else [found]
    return [str(value) for value in listed if value is not None] or [None]
