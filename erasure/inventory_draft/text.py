"""The draft as YAML, in the form that the inventory is read in, with the reason of each decision beside it.

Add here: another line of the inventory that a draft can fill in.
Keep out: decisions.
"""

import re
from collections.abc import Iterator, Sequence

import yaml

from erasure.inventory_draft.tables import People, TableDraft
from erasure.rules import Rule

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# YAML reads these as something other than a text.
_NO_TEXTS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def inventory_yaml(
    drafts: Sequence[TableDraft], *, world: str, store: str, schema: str, people: People | None
) -> str:
    """One file of `models/<world>/inventory/`. Lines with REVIEW are no rules: planning refuses them by name."""
    return "\n".join(_lines(drafts, world=world, store=store, schema=schema, people=people)) + "\n"


def _lines(
    drafts: Sequence[TableDraft], *, world: str, store: str, schema: str, people: People | None
) -> Iterator[str]:
    yield f"# A draft of where personal data lies in {store}, from names, types, keys and the shapes of sampled values."
    yield "# Somebody must read every line. REVIEW is no rule, so that planning refuses it by name: put one there"
    yield "# (constant, unique, clear, hash, truncate_ip, coarsen_date, scrub_text, or keep with a reason), or put"
    yield '# `waived: "<reason>"` into the meta of a whole table that holds nobody\'s data.'
    yield "sources:"
    yield f"  - name: {world}_{store}"
    yield f"    schema: {_scalar(schema)}"
    yield f"    config: {{meta: {{store: {store}}}}}"
    yield "    tables:"
    names = _slugs([draft.facts.name for draft in drafts])
    for draft in drafts:
        yield from _of_table(draft, names, store=store, people=people)


def _of_table(
    draft: TableDraft, names: dict[str, str], *, store: str, people: People | None
) -> Iterator[str]:
    table = draft.facts
    yield f"      - name: {_scalar(names[table.name])}"
    if names[table.name] != table.name:
        yield f"        identifier: {_scalar(table.name)}"
    yield "        config:"
    yield "          meta:"
    yield from _subject(draft, names)
    key = table.primary_key
    if store == "clickhouse":
        # What is masked tells rows apart no longer.
        key = (
            tuple(name for name in key if name not in draft.columns or draft.columns[name].rule == Rule.KEEP)
            or key
        )
    if key:
        if store == "clickhouse":
            yield "            # The key that ClickHouse sorts by; it does not see to it that it is unique."
        yield f"            primary_key: [{', '.join(map(_scalar, key))}]"
    else:
        yield "            # primary_key: the catalog has none; name the columns that tell the rows apart"
        yield "            primary_key: []"
    if draft.is_of_people and people is not None and store == "postgres":
        if people.id_form != "uuid":
            yield f"            id_form: {people.id_form}"
        yield "            # access: {column: ..., active: ..., revoked: ...}  # needed: the column of who may work"
    if not draft.columns:
        return
    yield "        columns:"
    for name, decision in draft.columns.items():
        if decision.rule == Rule.KEEP:
            meta = f"{{rule: keep, reason: {_quoted(decision.why)}}}"
            yield f"          - {{name: {_scalar(name)}, config: {{meta: {meta}}}}}"
        else:
            why = "".join(letter if letter.isprintable() else " " for letter in decision.why)
            meta = f"{{rule: {decision.rule}{', elements: true' if decision.elements else ''}}}"
            yield f"          - {{name: {_scalar(name)}, config: {{meta: {meta}}}}}  # {why}"


def _subject(draft: TableDraft, names: dict[str, str]) -> Iterator[str]:
    parts = [
        f"{key}: {_scalar(value)}"
        for key, value in (("contributor_id", draft.contributor_id), ("email", draft.email))
        if value
    ]
    if draft.via is not None:
        via = draft.via
        parts.append(
            f"via: {{table: {_scalar(names[via.table])}, column: {_scalar(via.column)}, "
            f"parent_column: {_scalar(via.parent_column)}}}"
        )
    if parts:
        yield f"            subject: {{{', '.join(parts)}}}"
    else:
        yield "            # subject: nobody is known whose the rows are; say who, or waive the table:"
        yield '            # waived: "<reason>"'
        yield "            subject: {}"


def _slugs(names: Sequence[str]) -> dict[str, str]:
    """Table -> a name of letters, digits and underscores, which is what the inventory calls it by."""
    taken: dict[str, str] = {}
    for name in names:
        slug = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "table"
        while slug in taken.values():
            slug += "_"
        taken[name] = slug
    return taken


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXTS:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, default_style='"', width=float("inf")).strip()
