"""The reporting models, held against the inventory: none of them may read a column that a rule changes.

The rule is stricter than that, so that it can be seen at a glance: a table is read by a select of its own, which lists
its columns one by one, joins nothing, and names no ruled column, nowhere in it. What such selects hand on can then be
used in any way, `select *` included.
Add here: another way in which a reporting model could come by a value that masking changes.
Keep out: comparing reports before and after masking (`erasure/controls.py`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from erasure.inventory import Inventory, InventoryObject
from erasure.rules import Rule

if TYPE_CHECKING:
    from sqlglot import exp

_FOLDER = "reporting"
_NAME = r"""['"](\w+)['"]"""
_SOURCE = re.compile(rf"\{{\{{\s*source\(\s*{_NAME}\s*,\s*{_NAME}\s*\)\s*\}}\}}")
_REF = re.compile(rf"\{{\{{\s*ref\(\s*{_NAME}\s*\)\s*\}}\}}")
_JINJA_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
# What stands before the dot of a reference to another model, where a source's name stands otherwise.
_MODEL = "ref"


def problems_of_reports(manifests: Mapping[str, Mapping[str, Any]], inventory: Inventory) -> list[str]:
    """One sentence for each thing wrong with a reporting model of the world; `manifests` is by dbt target."""
    objects = {(item.source, item.name): item for item in inventory.objects}
    problems = []
    for dialect, manifest in manifests.items():
        nodes = list(_nodes(manifest))
        models = frozenset(str(node["name"]) for node in nodes)
        for node in nodes:
            found = dict.fromkeys(problems_of_report(str(node["raw_code"]), dialect, models, objects))
            problems += [f"{node['original_file_path']}: the model {node['name']} {what}" for what in found]
    return problems


def problems_of_report(
    raw_code: str, dialect: str, models: frozenset[str], objects: Mapping[tuple[str, str], InventoryObject]
) -> Iterator[str]:
    """What is wrong with one model; each goes on behind the model's name.

    `models`: the reporting models of this engine. `objects`: by dbt source and table.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    text = _SOURCE.sub(r'"\1"."\2"', _JINJA_COMMENT.sub(" ", raw_code))
    text = _REF.sub(rf'"{_MODEL}"."\1"', text)
    if "{{" in text or "{%" in text:
        yield "has Jinja other than source() and ref(), behind which a column could hide"
        return
    try:
        statements = sqlglot.parse(text, read=dialect)
    except SqlglotError:
        statements = []
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        yield f"is not one select that can be parsed as {dialect}"
        return
    for table, known in _tables(statements[0]):
        if table.db == _MODEL and not table.catalog:
            if table.name not in models:
                yield f"refers to {table.name}, which is no reporting model of the same engine"
        elif table.db and not table.catalog and (table.db, table.name) in objects:
            yield from _of_source(table, objects[table.db, table.name])
        elif table.db or table.name not in known or not isinstance(table.this, exp.Identifier):
            yield f"reads {table.sql(dialect)}, which is neither source(), ref(), nor a CTE defined above it"


def _nodes(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for _, node in sorted(manifest["nodes"].items()):
        if node["resource_type"] == "model" and node["fqn"][1] == _FOLDER:
            yield node


def _tables(query: "exp.Select") -> "Iterator[tuple[exp.Table, frozenset[str]]]":
    """Every table of a query, with the names of the CTEs that it may be: those above it, all of them at the top.

    Within its own body a CTE's name is still that of a table in the database.
    """
    from sqlglot import exp

    known: frozenset[str] = frozenset()
    for cte in query.ctes:
        # The names of inner CTEs are known to nobody here, so that these are refused.
        yield from ((table, known) for table in cte.this.find_all(exp.Table))
        known |= {cte.alias}
    of_ctes = {id(table) for cte in query.ctes for table in cte.find_all(exp.Table)}
    yield from ((table, known) for table in query.find_all(exp.Table) if id(table) not in of_ctes)


def _of_source(table: "exp.Table", item: InventoryObject) -> Iterator[str]:
    """What is wrong with the select that reads a table of the inventory."""
    from sqlglot import exp

    name, select = f"{item.source}.{item.name}", table.parent_select
    if item.rule is Rule.DELETE:
        yield f"reads {name}, whose records are deleted as a whole"
        return
    parts = {key.strip("_") for key, value in select.args.items() if value} if select is not None else set()
    if select is None or not isinstance(table.parent, exp.From) or parts - {"expressions", "from", "where"}:
        yield f"must read {name} by a select of its own with nothing but its columns and a where"
        return
    if not all(isinstance(one.unalias(), exp.Column) and not one.is_star for one in select.expressions):
        yield f"must list the columns of {name} one by one, and compute with them in a later select"
    ruled = {field.name.casefold() for field in item.ruled_fields}
    kept = {field.casefold() for field in item.known_fields} - ruled
    for column in select.find_all(exp.Column):
        if column.name.casefold() in ruled:
            yield f"reads the column {column.name} of {name}, which a rule changes; take it out"
        elif not column.is_star and item.waived is None and column.name.casefold() not in kept:
            yield f"names {column.name}, which is no column of {name} in the inventory"
