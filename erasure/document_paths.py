"""Paths in documents, as the inventory writes them: `latest.email`, `judgments[].worker.email`.

Holds: a path as steps, and how far two paths lead through the same elements.
Add here: a question about paths alone.
Keep out: documents (`stores/`, `expectations/readers/`), and what a path must fulfil (`inventory_checks/`).
"""


def plain(path: str) -> str:
    """A path as mappings and queries write it: without the signs for arrays."""
    return path.replace("[]", "")


def steps_of(path: str) -> tuple[str, ...]:
    """The names that lead to a value, without the signs for arrays."""
    return tuple(plain(path).split("."))


def common_depth(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    """How many steps two paths share before the last of either: the depth of the elements that hold both."""
    depth = 0
    while depth < min(len(first), len(second)) - 1 and first[depth] == second[depth]:
        depth += 1
    return depth
