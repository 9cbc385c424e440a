"""What a purge does not reach and may hold old values: snapshots, logs of slow requests, followers in other clusters.

Holds: sentences with counts, for whoever reviews a plan.
Add here: another place outside the indices that a server can tell of.
Keep out: what a purge waits for or refuses (`held.py`, `copies.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from erasure.stores.search.client import SearchError
from erasure.stores.search.failures import STORE
from erasure.stores.search.layout import in_groups
from erasure.stores.search.server import SearchServer

_FORBIDDEN = 403
_SLOW_LOGS = "index.search.slowlog.threshold.*,index.indexing.slowlog.threshold.*"
_LEASES = "indices.*.shards.*.retention_leases.leases.source,indices.*.shards.*.routing.primary"
# The one kind of lease that belongs to copies within the cluster.
_OWN_LEASE = "peer recovery"


def outside(server: SearchServer, names: Sequence[str]) -> Iterator[str]:
    """A sentence for each such place that there is."""
    yield from _snapshots(server)
    groups = list(in_groups(names))
    logged = sum(len(logging_slowly(server.setting(group, _SLOW_LOGS))) for group in groups)
    if logged:
        yield (
            f"{STORE}: {logged} indices log slow requests (index.*.slowlog.threshold), so log files of the nodes may "
            "hold old documents and ids, which no purge removes"
        )
    followed = sum(len(followed_indices(server.shard_stats(group, only=_LEASES))) for group in groups)
    if followed:
        yield (
            f"{STORE}: {followed} indices are followed by another cluster, which keeps old documents until it has been "
            "purged itself"
        )


def _snapshots(server: SearchServer) -> Iterator[str]:
    try:
        repositories = len(server.repositories())
    except SearchError as error:
        if error.status != _FORBIDDEN:
            raise
        yield (
            f"{STORE}: the user may not ask for snapshot repositories; snapshots keep old documents until they are "
            "deleted"
        )
        return
    if repositories:
        yield (
            f"{STORE}: {repositories} snapshot repositories are registered; their snapshots keep old documents until "
            "they are deleted"
        )


def logging_slowly(settings: Mapping[str, Any]) -> set[str]:
    """The indices with a threshold in force; -1 is none."""
    return {
        index
        for index, entry in settings.items()
        if any(not str(value).startswith("-1") for value in entry["settings"].values())
    }


def followed_indices(stats: Mapping[str, Any]) -> set[str]:
    """The indices on which somebody holds a lease who is no copy of a shard."""
    return {
        index
        for index, entry in (stats.get("indices") or {}).items()
        for shards in entry["shards"].values()
        for shard in shards
        for lease in (shard.get("retention_leases") or {}).get("leases") or ()
        if lease["source"] != _OWN_LEASE
    }
