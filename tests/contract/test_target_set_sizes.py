"""Target sets of any size, from nobody to a hundred thousand: frozen, carried over to ClickHouse, and masked in both.

Add here: another size at which something could go wrong.
Keep out: who is in a set (`test_target_set.py`), and times, which `bench/` measures.
"""

from collections.abc import Iterator

import pytest

from erasure.ledger.freezing import freeze, members
from erasure.request import Request, RequestedContributor
from tests.contract.sql_world import BATCH, JOB, LONG_AGO, PROJECT, UNIT, SqlWorld, make_analytics, person_id

CONTROLS = 3
ALIASES = 2
_ID = "('c0000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
_PEOPLE = f"from (select n, {_ID} as id from generate_series(1, {{people}}) as n) as p"
_POSTGRES = (
    f"insert into contributors (contributor_id, email, full_name, country, created_at)"
    f" select id, 'person' || n || '@example.com', 'Made Up ' || n, 'DE', '{LONG_AGO}' {_PEOPLE}",
    f"insert into contributor_aliases (contributor_id, email)"
    f" select id, 'alias' || a || '.' || n || '@example.com' {_PEOPLE}, generate_series(1, {ALIASES}) as a",
    f"insert into judgments (judgment_id, unit_id, job_id, contributor_id, contributor_email, label, created_at)"
    f" select n, '{UNIT}', '{JOB}', case when n % 5 > 0 then id end, 'person' || n || '@example.com', 'cat',"
    f" '{LONG_AGO}' {_PEOPLE}",
    "analyze",
)
_METRICS = (
    f"insert into kepler.unit_metrics select '{PROJECT}', '{JOB}', '{UNIT}',"
    " toUUID(concat('c0000000-0000-4000-8000-', leftPad(lower(hex(number + 1)), 12, '0'))),"
    " concat('person', toString(number + 1), '@example.com'), 'cat', 'DE', 1, '2020-01-01 00:00:00'"
    " from numbers({people})"
)


@pytest.fixture
def world(sql_world: SqlWorld) -> Iterator[SqlWorld]:
    make_analytics(sql_world.analytics)
    yield sql_world
    make_analytics(sql_world.analytics)


def freeze_first(world: SqlWorld, targets: int) -> int:
    """A world with so many people and a few controls more, and a batch that asks for all but these."""
    people = targets + CONTROLS
    world.run(*(statement.format(people=people) for statement in _POSTGRES))
    world.analytics.command(_METRICS.format(people=people))
    rows = [
        RequestedContributor(line=n + 1, contributor_id=person_id(n), email=f"person{n}@example.com")
        for n in range(1, targets + 1)
    ]
    frozen = freeze(
        world.settings,
        batch_id=BATCH,
        request=Request(rows=tuple(rows), sha256="0" * 64),
        queries=world.queries,
        cap_reason="the size is what is tested",
    )
    return frozen.contributors


@pytest.mark.parametrize("targets", [1, 2_000, pytest.param(100_000, marks=pytest.mark.full)])
def test_a_set_of_this_size_is_frozen_carried_over_and_masked_to_the_last(
    world: SqlWorld, targets: int
) -> None:
    assert freeze_first(world, targets) == targets
    assert members(world.settings, batch_id=BATCH) == {"requested": targets}
    assert len(world.targets().needles) == targets * (ALIASES + 2)

    lease = world.execute()
    in_clickhouse, in_postgres = (
        world.mask(store) for store in (world.clickhouse(lease), world.postgres(lease))
    )

    assert in_clickhouse["unit_metrics"].records == targets
    assert {name: count.records for name, count in in_postgres.items() if count.records} == {
        "contributors": targets,
        "contributor_aliases": targets * ALIASES,
        "judgments": targets,
    }
    kept = [f"person{n}@example.com" for n in range(targets + 1, targets + CONTROLS + 1)]
    assert (
        world.value("select array_agg(email order by email) from contributors where email !~ '^DELETED'")
        == kept
    )
    assert world.value("select count(*) from judgments where contributor_email <> 'DELETED_USER'") == CONTROLS
    assert (
        world.value("select count(*) from contributor_aliases where email <> 'DELETED_USER'")
        == CONTROLS * ALIASES
    )
    left = world.analytics.query(
        "select email from kepler.unit_metrics where email != 'DELETED_USER' order by email"
    ).result_rows
    assert [row[0] for row in left] == kept
    # Nobody is left behind where the set was carried to.
    assert world.analytics.command("exists table erasure.targets") == 0


def test_a_set_of_nobody_changes_nothing_in_either_store(world: SqlWorld) -> None:
    """Everybody who is asked for was erased before: there is nothing to do."""
    world.run("insert into erasure.batches (batch_id, state, world) values ('former', 'erased', 'kepler')")
    for number in (1, 2):
        world.run(
            "insert into erasure.erased (contributor_id, email_hash, batch_id)"
            f" values ('{person_id(number)}', 'hash', 'former')"
        )
    assert freeze_first(world, 2) == 0
    assert members(world.settings, batch_id=BATCH) == {}

    lease = world.execute()
    for store in (world.clickhouse(lease), world.postgres(lease)):
        assert not any(count.records for count in world.mask(store).values())
    assert world.value("select count(*) from contributors where email ~ '^person'") == 2 + CONTROLS
    assert (
        world.analytics.command("select count() from kepler.unit_metrics where email like 'person%'")
        == 2 + CONTROLS
    )
