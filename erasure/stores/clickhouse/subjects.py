"""What the rules must know of each subject, as a table in ClickHouse's memory: id, salt, pattern of its needles.

A mutation can join nothing, but it can look a key up in a table of the engine Join. The table stands for as long as the
target set is carried over, is written to no disk, and is read by `macros/subjects/subject_attribute.sql`.
Add here: another attribute that a rule of ClickHouse needs.
Keep out: who is a subject (`erasure.targets`, a table of its own).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from erasure.rules import scrub_pattern_re2
from erasure.targets import TargetSet

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_PREFIX = "subjects_"


@contextmanager
def described(client: "Client", targets: TargetSet) -> Iterator[None]:
    """The subjects of a batch, by `id:<contributor id>` and `email:<normalised email>`; gone at the end."""
    name = f"erasure.{_name(targets.batch_id)}"
    client.command(f"drop table if exists {name} sync")
    client.command(
        f"create table {name} (key String, contributor_id String, salt String, pattern String)"
        " engine = Join(any, left, key) settings persistent = 0"
    )
    try:
        rows = list(_rows(targets))
        if rows:
            client.insert(name, rows, column_names=["key", "contributor_id", "salt", "pattern"])
        yield
    finally:
        client.command(f"drop table if exists {name} sync")


def forget_subjects(client: "Client", *, but: frozenset[str]) -> None:
    """Drops what a crash has left of other batches' subjects; those of `but` may be in use."""
    kept = {_name(batch_id) for batch_id in but}
    found = client.query(
        "select name from system.tables where database = 'erasure' and startsWith(name, {prefix:String})",
        parameters={"prefix": _PREFIX},
    ).result_rows
    for (name,) in found:
        if name not in kept:
            client.command(f"drop table if exists erasure.{name} sync")


def _name(batch_id: str) -> str:
    return _PREFIX + batch_id.replace("-", "_")


def _rows(targets: TargetSet) -> Iterator[tuple[str, str, str, str]]:
    patterns = {person: scrub_pattern_re2(needles) for person, needles in targets.needles_of.items()}

    def row(key: str, contributor_id: str) -> tuple[str, str, str, str]:
        person = targets.persons.get(contributor_id, contributor_id)
        return key, contributor_id, targets.salts.get(contributor_id, ""), patterns.get(person, "")

    for contributor_id in sorted(targets.contributor_ids):
        yield row(f"id:{contributor_id}", contributor_id)
    for email, contributor_id in targets.emails.items():
        yield row(f"email:{email}", contributor_id)
