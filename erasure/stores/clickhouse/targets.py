"""The target set in ClickHouse: a table for as long as it is needed, so that no statement names anybody.

Holds: `carried_over`, `forget`.
Add here: what the set must carry beside ids and emails.
Keep out: the predicates that read it (dbt macros).
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from erasure.errors import Incomplete
from erasure.stores.clickhouse.cluster import targets_arrived, targets_ddl
from erasure.stores.clickhouse.connection import Server
from erasure.stores.clickhouse.subjects import described, forget_subjects
from erasure.targets import TargetSet

NAME = "clickhouse"


@contextmanager
def carried_over(server: Server, targets: TargetSet) -> Iterator[None]:
    """The target set as a partition of `erasure.targets`, checked on both sides, gone at the end."""
    rows = sorted(
        [("contributor", contributor_id, contributor_id) for contributor_id in targets.contributor_ids]
        + [
            ("email", needle.value, needle.contributor_id)
            for needle in targets.needles
            if needle.kind == "email"
        ]
    )
    server.run(f"create database if not exists erasure{server.everywhere}")
    server.run(targets_ddl(server.cluster))
    _drop_batch(server, targets.batch_id)
    try:
        if rows:
            server.client.insert(
                "erasure.targets",
                [(targets.batch_id, contributor_id, kind, value) for kind, value, contributor_id in rows],
                column_names=["batch_id", "contributor_id", "kind", "value"],
            )
        if wait := targets_arrived(server.cluster):
            server.run(wait)
        _check(server, targets.batch_id, rows, did_not="arrive as it was sent")
        with described(server.client, targets):
            yield
        # Whoever found the table empty just before may have dropped it just after: then nobody was found by it.
        _check(server, targets.batch_id, rows, did_not="stay as long as it was needed")
    finally:
        if server.exists("erasure.targets"):
            _drop_batch(server, targets.batch_id)
            _drop_if_empty(server)


def forget(server: Server, *, but: frozenset[str]) -> None:
    """Drops what a crash has left of other batches' target sets; those of `but` may be in use."""
    forget_subjects(server.client, but=but)
    if not server.exists("erasure.targets"):
        return
    for (batch_id,) in server.rows("select distinct batch_id from erasure.targets"):
        if batch_id not in but:
            _drop_batch(server, batch_id)
    _drop_if_empty(server)


def _drop_batch(server: Server, batch_id: str) -> None:
    # In a cluster the table is replicated as a whole: what one node drops is dropped by all.
    server.run(f"alter table erasure.targets drop partition '{batch_id}'")


def _drop_if_empty(server: Server) -> None:
    # Planning one batch while another executes shares the table: only the last one out drops it.
    if server.number("select count() from erasure.targets") == 0:
        server.run(f"drop table if exists erasure.targets{server.everywhere} sync")


def _check(server: Server, batch_id: str, rows: list[tuple[str, str, str]], *, did_not: str) -> None:
    # A sum needs no order and no memory: as one text 100,000 people with three emails took 200 MB.
    found = server.rows(
        "select count(), sum(reinterpretAsUInt64(substring(digest, 1, 8))) from ("
        " select SHA256(concat(kind, '|', value, '|', contributor_id)) as digest"
        f" from erasure.targets where batch_id = '{batch_id}')"
    )[0]
    digests = (hashlib.sha256("|".join(row).encode()).digest() for row in rows)
    total = sum(int.from_bytes(digest[:8], "little") for digest in digests) % 2**64
    if tuple(found) != (len(rows), total):
        raise Incomplete(
            store=NAME,
            object_name="erasure.targets",
            what=f"the target set did not {did_not}",
            remedy="plan or resume again, while nobody else plans",
        )
