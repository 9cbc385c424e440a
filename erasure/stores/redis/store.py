"""Redis: what is the targets' goes or is masked, and their sessions are ended and counted apart.

Holds: `RedisStore`.
Add here: what the store promises for all its objects.
Keep out: whose a key is (`places.py`), passing over keys (`passes.py`), settings (the client is handed in), and the
proof that access has ended (`erasure/lockout.py`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from erasure.counts import Count, Counts
from erasure.errors import Incomplete
from erasure.inventory import InventoryObject
from erasure.stores.base import COUNTED_AT_MOST, PURGED, Health, Holdings, Progress, Survey
from erasure.stores.redis import rights
from erasure.stores.redis.failures import STORE, refused, told
from erasure.stores.redis.passes import Passes, Sight, count_of, summed
from erasure.stores.redis.persistence import rewrite_files
from erasure.stores.redis.places import Place, place_of
from erasure.stores.redis.servers import Servers
from erasure.stores.redis.templates import Wanted
from erasure.targets import TargetSet

if TYPE_CHECKING:
    import redis

# How often what keeps appearing is changed before somebody has to look why.
_ROUNDS = 3
# What the state is called where the server's files were not written anew.
UNLINKED = "unlinked"


class RedisStore:
    """Databases of one server or cluster. Objects that end access are left to `count_sessions` and `end_sessions`.

    `client` must not decode responses: a foreign key or value need not be UTF-8. `addresses`: the cluster's nodes.
    `rewrite`: whether purging has the server write its files anew.
    """

    name = STORE

    def __init__(
        self,
        client: "redis.Redis",
        objects: Sequence[InventoryObject],
        *,
        id_form: str = "uuid",
        cluster: bool = False,
        addresses: Sequence[tuple[str, int]] = (),
        rewrite: bool = True,
    ) -> None:
        if client.get_connection_kwargs().get("decode_responses"):
            raise ValueError("RedisStore needs a client without decode_responses")
        self._servers = Servers(client, cluster=cluster, addresses=addresses)
        self._passes = Passes(self._servers)
        self._id_form = id_form
        self._rewrite = rewrite
        self._purged = rewrite
        places = [place_of(item) for item in objects]
        self._sessions = [place for place in places if place.item.ends_access]
        self._others = [place for place in places if not place.item.ends_access]

    @property
    def purge_state(self) -> str:
        """`purged` once the server's files were written anew, `unlinked` where they may hold old values."""
        return PURGED if self._purged else UNLINKED

    def health(self) -> Health:
        """Asks the server for its version, in the configured database; a replica or a node of a cluster is refused."""
        with told():
            client = self._servers.first()
            client.ping()
            about: Any = client.info("server")
            if not isinstance(about, dict) or "redis_version" not in about:
                raise refused(None, "what answers is not Redis", "check [redis] host and port")
            role = client.info("replication").get("role")
        in_cluster = about.get("redis_mode") == "cluster"
        if in_cluster and not self._servers.is_cluster:
            raise refused(
                None,
                "the server is one of a cluster, and has not all keys",
                "set cluster = true in [redis], or a url that begins with redis+cluster://",
            )
        if self._servers.is_cluster and not in_cluster:
            what = "the server is no cluster"
            raise refused(None, what, "set cluster = false in [redis], or a url that begins with redis://")
        if not self._servers.is_cluster and role in ("slave", "replica"):
            what = "the server is a replica, which takes no changes"
            raise refused(None, what, "name the primary, not a replica, in [redis] host")
        if self._servers.is_cluster:
            self._servers.layout()
        return Health(engine="Redis", version=str(about["redis_version"]))

    def survey(self) -> Survey:
        """What the user may not do, and what stays out of reach of a purge; there is no schema to hold against it."""
        places = [*self._others, *self._sessions]
        problems = []
        if self._servers.is_cluster:
            problems = [
                f"redis/{place.item.name}: a cluster has database 0 alone; take db out of the inventory file redis.yml"
                for place in places
                if place.item.db
            ]
        if problems:
            return Survey(problems=tuple(problems))
        lacks = rights.surveyed(self._servers, places, rewrite=self._rewrite)
        if self._rewrite:
            return lacks
        kept = "redis: [redis] purge is none, so RDB and AOF files keep old values until the server writes them anew"
        return Survey(problems=lacks.problems, notices=(*lacks.notices, kept))

    def holdings(self) -> Holdings:
        """The keys and members of each object, up to a thousand; sessions among them."""
        held = {}
        for place in (*self._others, *self._sessions):
            with told(place.item.name):
                held[place.item.name] = self._passes.held(place, COUNTED_AT_MOST)
        return held

    def count(self, targets: TargetSet) -> Counts:
        """Keys and members of the targets; no sessions. Raises StoreRefused where the user may not change them."""
        sight = self._look(self._others, targets)
        rights.require(sight)
        return {place.item.name: count_of(parts) for place, parts in sight.items()}

    def seen(self, targets: TargetSet) -> Sight:
        """What `mask` would change, object by object and server by server."""
        return self._look(self._others, targets, ttl=False)

    def mask(self, targets: TargetSet, progress: Progress) -> Counts:
        """Changes them until a look finds none; a session that has appeared since is Incomplete as well."""
        done = {place.item.name: Count(records=0) for place in self._others}
        sight = self._look(self._others, targets, ttl=False)
        for _ in range(_ROUNDS):
            for place, parts in sight.items():
                if place.item.ends_access:
                    continue
                changed = self._passes.change(place, parts, progress)
                done[place.item.name] = summed([done[place.item.name], Count(records=changed)])
            # The second look finds what has appeared during the pass, and what somebody else wrote in between.
            sight = self._look([*self._others, *self._sessions], targets, ttl=False)
            self._require_nothing_left(
                {place: parts for place, parts in sight.items() if place.item.ends_access}
            )
            if not any(count_of(parts).records for parts in sight.values()):
                return done
        self._require_nothing_left(sight)
        return done

    def purge(self, targets: TargetSet, progress: Progress) -> Counts:
        """Looks again, at sessions too, and has each server write its files anew where that is allowed."""
        self._require_nothing_left(self._look([*self._others, *self._sessions], targets, ttl=False))
        if self._rewrite:
            # The files are the server's, whatever the database.
            clients, _ = self._servers.of(None)
            self._purged = all(self._servers.each(clients, rewrite_files))
        for place in self._others:
            progress(place.item.name, 0, 0)
        return {place.item.name: Count(records=0) for place in self._others}

    def count_sessions(self, targets: TargetSet) -> Count:
        """Sessions of the targets, in an index or not; `elements` are their index keys."""
        sight = self._look(self._sessions, targets)
        rights.require(sight)
        return summed(count_of(parts) for parts in sight.values())

    def end_sessions(self, targets: TargetSet, progress: Progress) -> Count:
        """Ends them until a look finds none; Incomplete where new ones keep appearing."""
        ended = Count(records=0)
        for _ in range(_ROUNDS):
            sight = self._look(self._sessions, targets)
            counts = {place: count_of(parts) for place, parts in sight.items()}
            if not any(count.records or count.elements for count in counts.values()):
                return ended
            for place, parts in sight.items():
                records = self._passes.change(place, parts, progress)
                # The index last: after a crash in between it still leads to what is left.
                with told(place.item.name):
                    elements = sum(self._passes.unlink(client, list(found.index)) for client, found in parts)
                expiring = min(counts[place].expiring, records)
                ended = summed([ended, Count(records=records, elements=elements, expiring=expiring)])
        self._require_nothing_left(self._look(self._sessions, targets))
        return ended

    def _look(self, places: Sequence[Place], targets: TargetSet, *, ttl: bool = True) -> Sight:
        with told():
            return self._passes.look(places, Wanted(targets, self._id_form), ttl=ttl)

    def _require_nothing_left(self, sight: Sight) -> None:
        for place, parts in sight.items():
            left = count_of(parts)
            if left.records or left.elements:
                raise Incomplete(
                    store=self.name,
                    object_name=place.item.name,
                    what=f"{left.records} keys and {left.elements} index keys are left or new",
                    remedy="see who still writes them (access may not have ended), then resume",
                )
