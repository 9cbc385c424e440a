"""Who is held back, in the cases that identity and missing ids make hard, on a hand-made world in PostgreSQL.

Add here: a reason that is reached through somebody's email or another account.
Keep out: the plain holds and the lines of a CSV (`test_target_set.py`).
"""

from erasure.ledger.freezing import left_out
from tests.contract.sql_world import BATCH, SqlWorld, person_id


def erase(world: SqlWorld, number: int) -> None:
    """Somebody was erased by a former batch."""
    world.run(
        "insert into erasure.batches (batch_id, state, world) values ('former', 'erased', 'kepler')"
        " on conflict do nothing",
        "insert into erasure.erased (contributor_id, email_hash, batch_id)"
        f" values ('{person_id(number)}', 'hash', 'former')",
    )


def kinds(world: SqlWorld, kind: str) -> set[str]:
    """The contributors that the frozen set has under a kind."""
    rows = world.rows(f"select contributor_id::text from erasure.targets where kind = '{kind}'")
    return {str(row[0]) for row in rows}


def test_an_account_that_is_erased_already_does_not_hold_the_others_of_its_person(
    sql_world: SqlWorld,
) -> None:
    sql_world.person(1)
    sql_world.person(2, merged_into=person_id(1))
    erase(sql_world, 1)

    frozen = sql_world.freeze((person_id(2), "person2@example.com"))

    assert frozen.contributors == 1
    assert kinds(sql_world, "contributor") == {person_id(2)}
    assert kinds(sql_world, "excluded") == set()


def test_an_open_dispute_over_work_without_an_id_holds_whose_email_it_carries(sql_world: SqlWorld) -> None:
    sql_world.person(1)
    sql_world.person(2)
    sql_world.add("judgments", judgment_id=900, contributor_id=None, contributor_email=" PERSON1@example.com")
    sql_world.add("disputes", judgment_id=900, status="open")

    frozen = sql_world.freeze((person_id(1), "person1@example.com"), (person_id(2), "person2@example.com"))

    assert frozen.excluded == {"open dispute": 1}
    assert kinds(sql_world, "contributor") == {person_id(2)}


def test_who_was_left_out_is_told_in_numbers(sql_world: SqlWorld) -> None:
    sql_world.person(1)
    sql_world.person(2)
    sql_world.person(3)
    erase(sql_world, 1)
    sql_world.add("legal_holds", contributor_id=person_id(2), released_at=None)

    sql_world.freeze(
        *((person_id(number), f"person{number}@example.com") for number in (1, 2, 3, 7)), skip_unknown=True
    )

    found = left_out(sql_world.settings, batch_id=BATCH)
    assert (found.already_erased, found.skipped_unknown) == (1, 1)
    assert found.excluded == {"legal hold": 1}
