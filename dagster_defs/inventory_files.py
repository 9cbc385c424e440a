"""The inventory's YAML files, read strictly, before dbt reads them.

dbt takes the last of two equal keys or columns, and a misspelled key, without a word: a column whose second entry says
`keep` would silently not be masked.
Add here: a key that dbt knows and an inventory may use.
Keep out: what stands in `meta` (`erasure/inventory_reading.py`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from erasure.errors import nearest

_FILE = ("version", "sources")
_SOURCE = ("name", "schema", "description", "config", "tables")
_TABLE = ("name", "identifier", "description", "config", "columns")
_COLUMN = ("name", "description", "data_type", "config")
# Of dbt's own config keys none: `enabled: false` would take a table out of the inventory.
_CONFIG = ("meta",)


class _Twice(yaml.MarkedYAMLError):
    """A key that stands a second time in one mapping."""


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _Twice(
                        problem=f"the key {key.value} stands there a second time", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found


def problems_of_files(project: Path, world: str) -> list[str]:
    """One sentence for each wrong line of `models/<world>/**.yml`, with its file as dbt names it; none for no file."""
    folder = project / "models" / world
    files = sorted(file for file in folder.rglob("*") if file.suffix in {".yml", ".yaml"})
    problems: list[str] = []
    # (source, table) -> the file that declares it.
    declared: dict[tuple[str, str], str] = {}
    for file in files:
        place = str(file.relative_to(project))
        reading = _File(place, declared)
        try:
            text = file.read_text(encoding="utf-8-sig")
            content = yaml.load(text, Loader=_StrictLoader)
        except (yaml.YAMLError, UnicodeDecodeError, OSError, RecursionError, ValueError) as error:
            problems.append(f"{place}: {_reason(error)}")
            continue
        if file.parent == folder / "inventory" or (isinstance(content, Mapping) and "sources" in content):
            reading.file(content, text, is_inventory=file.parent == folder / "inventory")
        problems += reading.problems
    return problems


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line = error.problem_mark.line + 1
        return (
            f"line {line}: {error.problem}"
            if isinstance(error, _Twice)
            else f"line {line} is no YAML ({error.problem})"
        )
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8; save it in UTF-8"
    return f"cannot be read ({type(error).__name__})"


class _File:
    """The problems of one file; what is of the wrong form is told and not looked into."""

    def __init__(self, place: str, declared: dict[tuple[str, str], str]) -> None:
        self._place = place
        self._declared = declared
        self._seen_here: set[tuple[str, str]] = set()
        self.problems: list[str] = []

    def file(self, content: Any, text: str, *, is_inventory: bool) -> None:
        for number, line in enumerate(text.splitlines(), start=1):
            if is_inventory and re.search(r"\{[{%]", line):
                # dbt would render it, and say of an error in it neither file nor line.
                self.problems.append(
                    f"{self._place}: line {number} holds Jinja; an inventory is read as it stands"
                )
        if self._is_mapping(content, self._place, _FILE if is_inventory else None):
            for source in self._list(content, "sources", self._place):
                self._source(source)

    def _source(self, source: Any) -> None:
        name, where = self._named(source, f"{self._place}: ", "a source", _SOURCE)
        if name is None:
            return
        self._config(source, where)
        for table in self._list(source, "tables", where):
            self._table(table, name, where)

    def _table(self, table: Any, source: str, above: str) -> None:
        name, where = self._named(table, f"{above}.", "a table", _TABLE)
        if name is None:
            return
        before = self._declared.setdefault((source, name), self._place)
        if (source, name) in self._seen_here or before != self._place:
            self.problems.append(f"{where}: is declared a second time; {before} has it already")
        self._seen_here.add((source, name))
        self._config(table, where)
        columns: set[str] = set()
        for column in self._list(table, "columns", where) if "columns" in table else ():
            found, at = self._named(column, f"{where}.", "a column", _COLUMN)
            if found is None:
                continue
            if found in columns:
                self.problems.append(f"{at}: is declared a second time; which rule is meant?")
            columns.add(found)
            self._config(column, at)

    def _config(self, holder: Mapping[str, Any], where: str) -> None:
        if "config" in holder and self._is_mapping(holder["config"], f"{where}: config", _CONFIG):
            meta = holder["config"].get("meta")
            if "meta" in holder["config"]:
                self._is_mapping(meta, f"{where}: meta", None)

    def _named(
        self, found: Any, above: str, what: str, known: Sequence[str]
    ) -> tuple[str, str] | tuple[None, str]:
        """Its name, or None where it has none that counts, and how sentences about it begin."""
        name = found.get("name") if isinstance(found, Mapping) else None
        if not isinstance(name, str) or not name:
            where = f"{above.rstrip('.: ')}: {what}"
            if self._is_mapping(found, where, known):
                self.problems.append(f"{where} has no name, or one that is no text")
            return None, where
        where = f"{above}{name}"
        return (name, where) if self._is_mapping(found, where, known) else (None, where)

    def _list(self, holder: Mapping[str, Any], key: str, where: str) -> Iterator[Any]:
        found = holder.get(key)
        if not isinstance(found, list) or not found:
            self.problems.append(f"{where}: {key}: expected a list, found {_kind(found)}")
            return
        yield from found

    def _is_mapping(self, found: Any, where: str, known: Sequence[str] | None) -> bool:
        if not isinstance(found, Mapping):
            self.problems.append(f"{where}: expected keys and values, found {_kind(found)}")
            return False
        for key in found:
            if not isinstance(key, str):
                self.problems.append(f"{where}: {key!r}: expected a text as key")
            elif known is not None and key not in known:
                self.problems.append(f"{where}: unknown key {key}; {nearest(key, known)}")
        return all(isinstance(key, str) for key in found)


def _kind(found: Any) -> str:
    return "nothing" if found is None or found == [] else f"a {type(found).__name__}"
