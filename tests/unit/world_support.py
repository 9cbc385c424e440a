"""Rows of a made-up world, as the lines say that Postgres reads, for tests without an engine.

Add here: another way to look at a world that several test modules need.
Keep out: assertions.
"""

import re
from pathlib import Path

from sandbox.world.generate import World
from sandbox.world.tables import TABLES
from sandbox.world.tsv import NULL

Row = dict[str, str | None]

_UNESCAPED = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}


def rows(world: World, name: str) -> list[Row]:
    """All rows of a Postgres table, by column."""
    table = next(table for table in TABLES if table.name == name)
    found: list[Row] = []
    for crew in world.crews:
        for line in table.lines(world, crew, world.people(crew)):
            assert line.endswith("\n")
            values = map(value, line.removesuffix("\n").split("\t"))
            found.append(dict(zip(table.columns, values, strict=True)))
    return found


def everything(world: World) -> dict[str, list[Row]]:
    return {table.name: rows(world, table.name) for table in TABLES}


def value(field: str) -> str | None:
    """What a field of a line stands for, by the rules of COPY."""
    if field == NULL:
        return None
    return re.sub(r"\\(.)", lambda found: _UNESCAPED[found[1]], field)


def labels_file(path: Path, lines: list[tuple[str, str, str]]) -> Path:
    path.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    return path
