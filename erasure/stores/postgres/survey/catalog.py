"""What PostgreSQL's catalogs say of the registered tables: kinds, columns and their types, rights, what lies below.

Holds: `Table` and `Column`, read by one query a kind, and how a sentence names them.
Add here: a fact about a table or a column that several of the surveys beside this one need.
Keep out: what follows from it (each survey is a module of its own), and rows: only catalogs are read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erasure.inventory import Field, InventoryObject
from erasure.ledger.database import Connection

# Read only, whatever a check constraint calls: the survey evaluates expressions that somebody else wrote.
READ_ONLY = "set transaction read only"
_TEXT_LIKE = frozenset({"text", "varchar", "bpchar", "citext"})


@dataclass(frozen=True, kw_only=True)
class Told:
    """A sentence of the survey, and whether it refuses the plan."""

    text: str
    refuses: bool = True


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as declared (`declared`), and what is under its domains and arrays.

    length: the most characters it takes, of an element where it is an array; None where there is no such limit.
    domains: the oids of its domains, the outermost first. sources: the columns that a generated one is made from.
    """

    name: str
    declared: str
    base: str
    base_declared: str
    is_text: bool
    is_array: bool
    length: int | None
    not_null: bool
    generated: str | None
    sources: tuple[str, ...]
    is_identity: bool
    may_update: bool
    may_select: bool
    domains: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A registered table that is not waived. `relations`: its own oid, and those of partitions and heirs."""

    item: InventoryObject
    file: str
    oid: int
    kind: str
    facts: Mapping[str, Any]
    columns: Mapping[str, Column]
    relations: tuple[int, ...]

    @property
    def name(self) -> str:
        """Schema and table, as sentences name it."""
        return f"{self.item.schema}.{self.item.location}"

    @property
    def ruled(self) -> tuple[tuple[Field, Column], ...]:
        """The ruled fields that are columns of the table; what it lacks is told where columns are compared."""
        return tuple(
            (field, self.columns[field.name])
            for field in self.item.ruled_fields
            if field.name in self.columns
        )

    @property
    def rules(self) -> Mapping[str, str]:
        """Ruled column -> the name of its rule; of a column with several keys in its JSON, that of the first."""
        return {column.name: str(field.rule) for field, column in reversed(self.ruled)}

    def field(self, column: str) -> Field:
        """What the inventory says of a ruled column; of several keys in its JSON the first."""
        return next(field for field, found in self.ruled if found.name == column)

    def about(self, column: str) -> str:
        """How a sentence about a column begins."""
        return f"postgres: column {self.name}.{column}"


def read(connection: Connection, objects: Sequence[InventoryObject], *, world: str) -> list[Table]:
    """The tables of these objects that exist."""
    by_name = {(item.schema, item.location): item for item in objects}
    found = connection.execute(_TABLES, _arrays(by_name)).fetchall()
    oids = [row["oid"] for row in found]
    columns: dict[int, dict[str, Column]] = {oid: {} for oid in oids}
    for row in connection.execute(_COLUMNS, {"tables": oids}).fetchall():
        columns[row["table"]][row["name"]] = _column(row)
    relations: dict[int, list[int]] = {oid: [] for oid in oids}
    for row in connection.execute(_BELOW, {"tables": oids}).fetchall():
        relations[row["root"]].append(row["relation"])
    file = f"dbt_project/models/{world}/inventory/postgres.yml"
    return [
        Table(
            item=by_name[row["schema_name"], row["table_name"]],
            file=file,
            oid=row["oid"],
            kind=row["kind"],
            facts=row,
            columns=columns[row["oid"]],
            relations=tuple(relations[row["oid"]]),
        )
        for row in found
    ]


def _arrays(by_name: Mapping[tuple[str, str], InventoryObject]) -> dict[str, list[str]]:
    return {"schemas": [schema for schema, _ in by_name], "names": [name for _, name in by_name]}


def _column(row: Mapping[str, Any]) -> Column:
    base = row["element"] if row["is_array"] else row["base"]
    # varchar(n) and char(n) keep n + 4 in their modifier.
    limited = base in {"varchar", "bpchar"} and row["modifier"] >= 4
    return Column(
        name=row["name"],
        declared=row["declared"],
        base=base,
        base_declared=row["base_declared"],
        is_text=base in _TEXT_LIKE,
        is_array=row["is_array"],
        length=row["modifier"] - 4 if limited else None,
        not_null=row["not_null"],
        generated=row["generated"],
        sources=tuple(row["sources"]),
        is_identity=row["is_identity"],
        may_update=row["may_update"],
        may_select=row["may_select"],
        domains=tuple(row["domains"]),
    )


_TABLES = """
select
    tables.oid,
    schemas.nspname as schema_name,
    tables.relname as table_name,
    tables.relkind::text as kind,
    tables.relrowsecurity as has_policies,
    row_security_active(tables.oid) as is_subject_to_policies,
    tables.relreplident::text as replica_identity,
    has_schema_privilege(schemas.oid, 'USAGE') as may_enter,
    has_table_privilege(tables.oid, 'DELETE') as may_delete,
    pg_has_role(tables.relowner, 'USAGE')
    or pg_has_role((select datdba from pg_catalog.pg_database where datname = current_database()), 'USAGE')
    or case
        when current_setting('server_version_num')::integer >= 170000
            then has_table_privilege(tables.oid, 'MAINTAIN')
        else false
    end as may_vacuum
from pg_catalog.pg_class as tables
inner join pg_catalog.pg_namespace as schemas on tables.relnamespace = schemas.oid
inner join unnest(%(schemas)s::text[], %(names)s::text[]) as wanted (schema_name, table_name)
    on schemas.nspname = wanted.schema_name and tables.relname = wanted.table_name
where tables.relkind in ('r', 'p', 'm', 'f', 'v')
order by schemas.nspname, tables.relname
"""

# Domains are followed down to the type under them; the modifier is that of the last one, as PostgreSQL applies it.
_COLUMNS = """
with recursive unfolded as (
    select
        columns.attrelid, columns.attnum, columns.atttypid as type, columns.atttypmod as modifier,
        false as not_null, '{}'::oid[] as domains
    from pg_catalog.pg_attribute as columns
    where columns.attrelid = any(%(tables)s::oid[]) and columns.attnum > 0 and not columns.attisdropped
    union all
    select
        unfolded.attrelid, unfolded.attnum, types.typbasetype, types.typtypmod,
        unfolded.not_null or types.typnotnull, unfolded.domains || types.oid
    from unfolded
    inner join pg_catalog.pg_type as types on unfolded.type = types.oid and types.typtype = 'd'
)

select
    columns.attrelid as table,
    columns.attname as name,
    format_type(columns.atttypid, columns.atttypmod) as declared,
    format_type(unfolded.type, unfolded.modifier) as base_declared,
    bases.typname as base,
    bases.typcategory = 'A' as is_array,
    elements.typname as element,
    unfolded.modifier,
    columns.attnotnull or unfolded.not_null as not_null,
    case when columns.attgenerated <> '' then pg_get_expr(defaults.adbin, defaults.adrelid) end as generated,
    columns.attidentity = 'a' as is_identity,
    has_column_privilege(columns.attrelid, columns.attnum, 'UPDATE') as may_update,
    has_column_privilege(columns.attrelid, columns.attnum, 'SELECT') as may_select,
    unfolded.domains,
    array(
        select distinct sources.attname::text
        from pg_catalog.pg_depend as uses
        inner join pg_catalog.pg_attribute as sources
            on uses.refobjid = sources.attrelid and uses.refobjsubid = sources.attnum
        where
            columns.attgenerated <> '' and uses.refclassid = 'pg_class'::regclass
            and uses.refobjid = columns.attrelid and uses.refobjsubid <> columns.attnum
            and (
                (uses.classid = 'pg_attrdef'::regclass and uses.objid = defaults.oid)
                or (
                    uses.classid = 'pg_class'::regclass and uses.objid = columns.attrelid
                    and uses.objsubid = columns.attnum
                )
            )
    ) as sources
from unfolded
inner join pg_catalog.pg_attribute as columns
    on unfolded.attrelid = columns.attrelid and unfolded.attnum = columns.attnum
inner join pg_catalog.pg_type as bases on unfolded.type = bases.oid and bases.typtype <> 'd'
left join pg_catalog.pg_type as elements on bases.typelem = elements.oid
left join pg_catalog.pg_attrdef as defaults
    on columns.attrelid = defaults.adrelid and columns.attnum = defaults.adnum
order by columns.attrelid, columns.attnum
"""

_BELOW = """
with recursive below as (
    select tables.oid as root, tables.oid as relation from unnest(%(tables)s::oid[]) as tables (oid)
    union
    select below.root, heirs.inhrelid
    from below
    inner join pg_catalog.pg_inherits as heirs on below.relation = heirs.inhparent
)

select below.root, below.relation
from below
inner join pg_catalog.pg_class as relations on below.relation = relations.oid
order by below.root, below.relation
"""
