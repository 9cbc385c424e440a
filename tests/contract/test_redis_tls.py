"""Redis behind TLS: trusted by the configured authority alone, told what to change elsewhere, and no password shown.

Add here: another thing that can be wrong between a client and a server that speaks TLS.
Keep out: servers that refuse for other reasons (`test_redis_servers.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dagster_defs.wiring import redis_store
from erasure.counts import Count
from erasure.errors import StoreUnavailable
from erasure.settings import Settings
from erasure.stores.base import no_progress
from erasure.stores.redis.store import RedisStore
from expectations.readers.base import VerifiedBatch
from expectations.readers.redis import read_redis
from sandbox.ports import LOOPBACK
from tests.certificates import Authority
from tests.contract.redis_servers_support import Server
from tests.contract.redis_support import everything, profile, settings_with, targets
from tests.contract.redis_tls_door import TlsDoor
from tests.inventory_fixtures import kepler_inventory

PASSWORD = "made-up-word"
ANN, BOB = (f"c0000000-0000-4000-8000-00000000000{end}" for end in "ab")


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A server whose user `secure` has a password, and two authorities of which one has signed its certificate."""

    server: Server
    authority: Authority
    other: Authority


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folders = [tmp_path_factory.mktemp(name) for name in ("server", "authority", "other")]
    with Server(folders[0], f"user secure on >{PASSWORD} ~* &* +@all") as server:
        yield Ground(server=server, authority=Authority(folders[1]), other=Authority(folders[2]))


def settings_for(
    port: int, ca_certs: Path | None, *, scheme: str = "rediss", word: str = PASSWORD
) -> Settings:
    return settings_with(url=f"{scheme}://secure:{word}@{LOOPBACK}:{port}/0", ca_certs=ca_certs, purge="none")


def survivors(settings: Settings) -> int:
    batch = VerifiedBatch(batch_id="b1", persons={ANN: ANN})
    return sum(reading.survivors for reading in read_redis(settings, kepler_inventory(), batch))


def test_a_url_with_tls_and_an_authority_of_its_own_masks_and_is_judged(ground: Ground) -> None:
    client = ground.server.client()
    client.flushall()
    profile(client, ANN, BOB)
    with TlsDoor(ground.server.port, ground.authority.server()) as door:
        settings = settings_for(door.port, ground.authority.file)
        store = redis_store(settings, kepler_inventory())
        assert store.health().engine == "Redis"
        assert survivors(settings) == 1
        assert store.mask(targets(ANN), no_progress)["profiles"] == Count(records=1)
        assert survivors(settings) == 0
    assert client.keys("*") == [f"profile:{BOB}".encode()]


UNTRUSTED = r"certificate is not trusted.*check \[redis\] ca_certs, and that host is the name"
CASES: dict[str, tuple[Callable[[Ground], Any], Callable[[Ground], Path | None], dict[str, str], str]] = {
    "another authority": (lambda g: g.authority.server(), lambda g: g.other.file, {}, UNTRUSTED),
    "no authority but the system's": (lambda g: g.authority.server(), lambda g: None, {}, UNTRUSTED),
    "an expired certificate": (
        lambda g: g.authority.server(days=-1),
        lambda g: g.authority.file,
        {},
        UNTRUSTED,
    ),
    "a certificate of another host": (
        lambda g: g.authority.server(host="redis.example.com"),
        lambda g: g.authority.file,
        {},
        UNTRUSTED,
    ),
    "a wrong password": (
        lambda g: g.authority.server(),
        lambda g: g.authority.file,
        {"word": "wrong-word"},
        r"does not accept the password.*check \[redis\] (username and )?password",
    ),
    "no TLS to a port with TLS": (
        lambda g: g.authority.server(),
        lambda g: None,
        {"scheme": "redis"},
        r"check \[redis\] host and port, and whether it speaks TLS \(\[redis\] tls\)",
    ),
}


@pytest.mark.parametrize("case", list(CASES))
def test_what_is_wrong_with_tls_is_named_and_nothing_changes(ground: Ground, case: str) -> None:
    certificate, ca_certs, changes, says = CASES[case]
    client = ground.server.client()
    client.flushall()
    profile(client, ANN, BOB)
    before = everything(client)
    with TlsDoor(ground.server.port, certificate(ground)) as door:
        settings = settings_for(door.port, ca_certs(ground), **changes)
        store = redis_store(settings, kepler_inventory())
        for ask in (store.health, lambda: store.mask(targets(ANN), no_progress)):
            with pytest.raises(StoreUnavailable, match=says) as caught:
                ask()
            assert PASSWORD not in str(caught.value) and "wrong-word" not in str(caught.value)
        with pytest.raises(StoreUnavailable) as caught:
            survivors(settings)
        assert PASSWORD not in str(caught.value) and "wrong-word" not in str(caught.value)
    assert everything(client) == before


def test_tls_to_a_port_without_it_is_named(ground: Ground) -> None:
    client = ground.server.client(ssl=True, ssl_ca_certs=str(ground.authority.file), socket_timeout=1)
    store = RedisStore(client, kepler_inventory().of("redis"))
    with pytest.raises(StoreUnavailable, match=r"whether it speaks TLS \(\[redis\] tls\)"):
        store.health()
