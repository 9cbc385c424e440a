"""What stands around a masked table: its kind, policies, triggers, rewriting, publications, heirs, copies, the purge.

Add here: something that happens to a table's rows, or keeps them from being reached, beside its own columns.
Keep out: columns and constraints (the other modules beside this one).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from erasure.ledger.database import Connection
from erasure.rules import Rule
from erasure.stores.postgres.survey.catalog import Table, Told

_NO_TABLES: Mapping[str, str] = {
    "v": "is a view, which keeps no rows; register the table under it",
    "m": "is a materialized view, which nobody can change; waive it, and refresh it after the masking,",
    "f": "is a foreign table, whose rows lie in another server; mask them there, and waive it",
}


def survey(connection: Connection, table: Table) -> Iterator[Told]:
    """One sentence for each thing around the table."""
    about = f"postgres: table {table.name}"
    if table.kind in _NO_TABLES:
        yield Told(text=f"{about} {_NO_TABLES[table.kind]} in {table.file}")
        return
    if table.facts["is_subject_to_policies"]:
        yield Told(
            text=(
                f"{about} has row-level security, and its policies hide rows from the user; make [database] username "
                "a role with BYPASSRLS, or the owner of a table whose security is not forced"
            )
        )
    elif table.facts["has_policies"]:
        yield Told(text=f"{about} has row-level security, which does not bind the user", refuses=False)
    if not table.facts["may_vacuum"]:
        yield Told(
            text=f"{about} may not be vacuumed; make [database] username its owner, or grant it MAINTAIN on it"
        )
    arguments = {"relations": list(table.relations), "table": table.oid}
    for row in connection.execute(_TRIGGERS, arguments).fetchall():
        if _fires(table, row):
            yield Told(
                text=f"{about}: trigger {row['name']} of {row['relation']} will run for each masked row or statement",
                refuses=False,
            )
    for row in connection.execute(_REWRITES, arguments).fetchall():
        yield Told(
            text=f"{about}: rewrite rule {row['name']} takes the place of what changes the table; drop it"
        )
    yield from _published(connection, table, about, arguments)
    for row in connection.execute(_HEIRS, arguments).fetchall():
        yield Told(
            text=f"{about} has the heir {row['name']}, whose rows are counted and masked with it",
            refuses=False,
        )
    for row in connection.execute(_COPIES, arguments).fetchall():
        yield Told(
            text=(
                f"{about}: materialized view {row['name']} reads it, and keeps its copy until it is refreshed; "
                "refresh it after the masking"
            ),
            refuses=False,
        )


def _fires(table: Table, trigger: Mapping[str, Any]) -> bool:
    if table.item.rule is Rule.DELETE:
        return bool(trigger["on_delete"])
    columns = set(trigger["columns"])
    return bool(trigger["on_update"] and (not columns or columns & set(table.rules)))


def _published(
    connection: Connection, table: Table, about: str, arguments: Mapping[str, Any]
) -> Iterator[Told]:
    for row in connection.execute(_PUBLICATIONS, arguments).fetchall():
        yield Told(
            text=f"{about} is published by {row['name']}: subscribers have copies, which are outside of this product",
            refuses=False,
        )
        if row["updates"] and not row["is_identified"]:
            yield Told(
                text=(
                    f"{about} is published by {row['name']} and has no replica identity, so PostgreSQL refuses to "
                    "change its rows; give it one by ALTER TABLE ... REPLICA IDENTITY"
                )
            )


# Clones on partitions have a parent. `D` is disabled, `R` runs on subscribers alone.
_TRIGGERS = """
select
    triggers.tgname as name,
    schemas.nspname || '.' || relations.relname as relation,
    triggers.tgtype::integer & 16 <> 0 as on_update,
    triggers.tgtype::integer & 8 <> 0 as on_delete,
    array(
        select columns.attname::text
        from pg_catalog.pg_attribute as columns
        where columns.attrelid = triggers.tgrelid and columns.attnum = any(triggers.tgattr::int2[])
    ) as columns
from pg_catalog.pg_trigger as triggers
inner join pg_catalog.pg_class as relations on triggers.tgrelid = relations.oid
inner join pg_catalog.pg_namespace as schemas on relations.relnamespace = schemas.oid
where
    triggers.tgrelid = any(%(relations)s::oid[]) and not triggers.tgisinternal and triggers.tgparentid = 0
    and triggers.tgenabled not in ('D', 'R')
order by triggers.tgname, relations.relname
"""

_REWRITES = """
select rewrites.rulename as name
from pg_catalog.pg_rewrite as rewrites
where rewrites.ev_class = %(table)s and rewrites.ev_type in ('2', '4') and rewrites.ev_enabled not in ('D', 'R')
order by rewrites.rulename
"""

_PUBLICATIONS = """
select
    publications.pubname as name,
    publications.pubupdate or publications.pubdelete as updates,
    bool_and(
        case relations.relreplident
            when 'n' then false
            when 'd' then exists (
                select 1
                from pg_catalog.pg_index as indexes
                where indexes.indrelid = relations.oid and indexes.indisprimary
            )
            else true
        end
    ) as is_identified
from pg_catalog.pg_publication as publications
inner join lateral pg_get_publication_tables(publications.pubname) as members on true
inner join pg_catalog.pg_class as relations on members.relid = relations.oid
where relations.oid = any(%(relations)s::oid[])
group by publications.pubname, publications.pubupdate, publications.pubdelete
order by publications.pubname
"""

_HEIRS = """
select schemas.nspname || '.' || relations.relname as name
from pg_catalog.pg_class as relations
inner join pg_catalog.pg_namespace as schemas on relations.relnamespace = schemas.oid
where relations.oid = any(%(relations)s::oid[]) and relations.oid <> %(table)s and not relations.relispartition
order by schemas.nspname, relations.relname
"""

_COPIES = """
select distinct schemas.nspname || '.' || views.relname as name
from pg_catalog.pg_depend as uses
inner join pg_catalog.pg_rewrite as definitions
    on uses.classid = 'pg_rewrite'::regclass and uses.objid = definitions.oid
inner join pg_catalog.pg_class as views on definitions.ev_class = views.oid and views.relkind = 'm'
inner join pg_catalog.pg_namespace as schemas on views.relnamespace = schemas.oid
where uses.refclassid = 'pg_class'::regclass and uses.refobjid = any(%(relations)s::oid[])
order by name
"""
