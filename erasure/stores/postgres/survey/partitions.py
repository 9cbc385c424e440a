"""Ruled columns by which a table is partitioned: the masked rows move to another partition, if there is one.

Add here: another strategy of partitioning whose bounds can be asked about a value.
Keep out: constraints of single partitions (`checks.py` looks at those of all relations of a table).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from erasure.ledger.database import Connection
from erasure.stores.postgres.survey.catalog import Table, Told
from erasure.stores.postgres.survey.samples import evaluated, samples


def survey(connection: Connection, table: Table) -> Iterator[Told]:
    """One sentence for each ruled column in a partition key, of the table or of a partition that is divided again."""
    for row in connection.execute(_PARTITIONED, {"relations": list(table.relations)}).fetchall():
        for name in sorted(set(row["columns"]) & set(table.rules)):
            rule = table.rules[name]
            if row["has_default"] or _is_taken(connection, table, row, name):
                yield Told(
                    text=(
                        f"{table.about(name)} is in the partition key of {row['name']}, so rows move to another "
                        f"partition when its rule {rule} changes them"
                    ),
                    refuses=False,
                )
            else:
                yield Told(
                    text=(
                        f"{table.about(name)} is in the partition key of {row['name']}, and no partition is known to "
                        f"take what its rule {rule} writes; add one (a DEFAULT partition takes any value), or choose "
                        f"another rule in {table.file}"
                    )
                )


def _is_taken(connection: Connection, table: Table, row: Mapping[str, Any], name: str) -> bool:
    """Whether some partition takes each value that the rule may write; over several columns nobody can say."""
    if row["columns"] != [name] or row["has_expressions"] or table.field(name).path:
        return False
    column = table.columns[name]
    values = [sample.after for sample in samples(table, column)]
    bounds = connection.execute(_BOUNDS, {"parent": row["oid"]}).fetchall()
    answers = [
        evaluated(connection, bound["bound"], name=name, type_name=column.base_declared, values=values)
        for bound in bounds
        if bound["bound"]
    ]
    return all(
        any(of_one[position] in {"true", "t"} for of_one in answers) for position in range(len(values))
    )


_PARTITIONED = """
select
    partitioned.partrelid as oid,
    schemas.nspname || '.' || relations.relname as name,
    partitioned.partdefid <> 0 as has_default,
    partitioned.partexprs is not null as has_expressions,
    array(
        select columns.attname::text
        from pg_catalog.pg_attribute as columns
        where
            columns.attrelid = partitioned.partrelid
            and (
                columns.attnum = any(partitioned.partattrs::int2[])
                -- What an expression in a partition key uses, the table depends on.
                or (
                    partitioned.partexprs is not null
                    and exists (
                        select 1
                        from pg_catalog.pg_depend as uses
                        where
                            uses.classid = 'pg_class'::regclass and uses.objid = partitioned.partrelid
                            and uses.objsubid = 0 and uses.refclassid = 'pg_class'::regclass
                            and uses.refobjid = partitioned.partrelid and uses.refobjsubid = columns.attnum
                    )
                )
            )
        order by columns.attnum
    ) as columns
from pg_catalog.pg_partitioned_table as partitioned
inner join pg_catalog.pg_class as relations on partitioned.partrelid = relations.oid
inner join pg_catalog.pg_namespace as schemas on relations.relnamespace = schemas.oid
where partitioned.partrelid = any(%(relations)s::oid[])
order by schemas.nspname, relations.relname
"""

_BOUNDS = """
select pg_get_partition_constraintdef(heirs.inhrelid) as bound
from pg_catalog.pg_inherits as heirs
where heirs.inhparent = %(parent)s
"""
