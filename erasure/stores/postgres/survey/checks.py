"""CHECK constraints of tables and of domains, held against what a rule writes.

A constraint over the ruled column alone is evaluated by the engine with made-up values; one over several columns is
named, for nobody can say without the rows.
Add here: another kind of constraint that says yes or no to a value.
Keep out: constraints between rows (`uniqueness.py`) and between tables (`references.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from erasure.ledger.database import Connection
from erasure.stores.postgres.survey.catalog import Column, Table, Told
from erasure.stores.postgres.survey.columns import is_writable
from erasure.stores.postgres.survey.samples import Sample, Unknown, evaluated, passes, samples


def survey(connection: Connection, table: Table) -> Iterator[Told]:
    """One sentence for each CHECK that masking breaks, or may break."""
    mine = connection.execute(_CHECKS, {"relations": list(table.relations)}).fetchall()
    domains = sorted({oid for column in table.columns.values() for oid in column.domains})
    of_domains = connection.execute(_CHECKS_OF_DOMAINS, {"domains": domains}).fetchall() if domains else []
    for field, column in table.ruled:
        if column.generated is not None or column.is_identity or not is_writable(field, column):
            continue
        written = samples(table, column)
        what = f"its rule {field.rule}"
        yield from _of_column(connection, table, column, mine, of_domains, (what, written))
    access = table.item.access
    if access is not None and access.column in table.columns:
        written = (Sample(before=None, after=access.revoked),)
        what = "revoking access, by access.revoked,"
        yield from _of_column(
            connection, table, table.columns[access.column], mine, of_domains, (what, written)
        )
    yield from _over_several(table, mine)


def _of_column(
    connection: Connection,
    table: Table,
    column: Column,
    mine: Sequence[Mapping[str, Any]],
    of_domains: Sequence[Mapping[str, Any]],
    writes: tuple[str, tuple[Sample, ...]],
) -> Iterator[Told]:
    for check in mine:
        if list(check["columns"]) == [column.name]:
            place = f"CHECK constraint {check['name']}"
            yield from _verdict(connection, table, column, (place, check["expression"], column.name), writes)
    for check in of_domains:
        if check["domain"] in column.domains:
            place = f"CHECK constraint {check['name']} of domain {check['domain_name']}"
            yield from _verdict(connection, table, column, (place, check["expression"], "value"), writes)


def _verdict(
    connection: Connection,
    table: Table,
    column: Column,
    check: tuple[str, str, str],
    writes: tuple[str, tuple[Sample, ...]],
) -> Iterator[Told]:
    place, expression, name = check
    what, written = writes

    def asked(values: list[str | None]) -> list[Any]:
        return evaluated(connection, expression, name=name, type_name=column.base_declared, values=values)

    # A value that the constraint lets nobody have is not there to be masked.
    before = asked([sample.before for sample in written])
    possible = [
        sample
        for sample, answer in zip(written, before, strict=True)
        if sample.before is None or passes(answer)
    ]
    answers = asked([sample.after for sample in possible]) if possible else []
    broken = [answer for answer in answers if not passes(answer)]
    if not broken:
        return
    where, end = table.about(column.name), f"change it, or choose another rule in {table.file}"
    unknown = next((answer for answer in broken if isinstance(answer, Unknown)), None)
    if unknown is not None:
        yield Told(
            text=f"{where}: {place} cannot be evaluated with what {what} writes (SQLSTATE {unknown.sqlstate}); {end}"
        )
    elif len(broken) < len(answers) and "coarsen_date" in what:
        yield Told(
            text=f"{where}: {place} refuses what {what} writes for the dates of some years; if there are any, {end}",
            refuses=False,
        )
    else:
        yield Told(text=f"{where}: {place} refuses what {what} writes; {end}")


def _over_several(table: Table, mine: Sequence[Mapping[str, Any]]) -> Iterator[Told]:
    touched = set(table.rules)
    evaluated_alone = {name for name in touched if not table.field(name).path}
    derived = {name for name, column in table.columns.items() if touched & set(column.sources)}
    for check in mine:
        columns = list(check["columns"])
        if not (touched | derived) & set(columns) or (len(columns) == 1 and columns[0] in evaluated_alone):
            continue
        ruled = ", ".join(sorted((touched | derived) & set(columns)))
        yield Told(
            text=(
                f"postgres: table {table.name}: CHECK constraint {check['name']} is over {', '.join(columns)}, and "
                f"masking changes {ruled}; whether each row keeps it shows only when it is masked"
            ),
            refuses=False,
        )


# Copies of a parent's constraint on its partitions and heirs say the same; `conenforced` is of PostgreSQL 18.
_CHECKS = """
select
    constraints.conname as name,
    pg_get_expr(constraints.conbin, constraints.conrelid) as expression,
    array(
        select columns.attname::text
        from pg_catalog.pg_attribute as columns
        where columns.attrelid = constraints.conrelid and columns.attnum = any(constraints.conkey)
        order by columns.attnum
    ) as columns
from pg_catalog.pg_constraint as constraints
where
    constraints.contype = 'c' and constraints.conrelid = any(%(relations)s::oid[]) and constraints.coninhcount = 0
    and coalesce((to_jsonb(constraints) ->> 'conenforced')::boolean, true)
order by constraints.conname
"""

# Within a constraint of a domain the value is called VALUE, which a column of that name answers to.
_CHECKS_OF_DOMAINS = """
select
    constraints.conname as name,
    constraints.contypid as domain,
    format_type(constraints.contypid, null) as domain_name,
    pg_get_expr(constraints.conbin, 0) as expression
from pg_catalog.pg_constraint as constraints
where constraints.contype = 'c' and constraints.contypid = any(%(domains)s::oid[])
order by constraints.conname
"""
