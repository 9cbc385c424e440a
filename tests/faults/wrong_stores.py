"""The table of stores that are wrong: for each store and each fault what is set up, and what must be said.

Holds: `ROWS`, and `Ground`, which has the servers that rows lead to.
Add here: a row; a fault that no row had has to be named in `FAULTS`.
Keep out: running commands, and what must hold afterwards (`test_wrong_stores.py`).

The exit code is 1 in every row. A password that is wrong in the configuration and one that was changed on the server
look the same from here, and so do a database that was misspelled and one that is gone: nothing was done, and it can be
tried again. 2 is for what is wrong whatever the stores say.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from sandbox.supervisor import Sandbox
from tests.faults.detours import Changes, address, section_of, to_port
from tests.faults.doorman import Doorman
from tests.faults.strangers import (
    Behaviour,
    Stranger,
    closing,
    content,
    own_certificate,
    saying,
    silent,
    trickling,
)
from tests.flow_fixtures import Flow
from tests.integration.raw_look import STORES

WRONG = "wr0ng-w0rd"
# In seconds: how long a store that is slow is waited for, where nothing but that is tested.
PATIENCE = 1
# Whose port each store is led to.
NEIGHBOUR = {
    "postgres": "redis",
    "clickhouse": "elasticsearch",
    "elasticsearch": "s3",
    "s3": "clickhouse",
    "redis": "postgres",
}
# How a server of each store's kind may begin an answer that never comes to its end.
_OPENINGS = {
    "postgres": (b"N", b""),
    "redis": (b"$1000000\r\n", b"x"),
}
_HTTP = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n", b" ")


@dataclass(kw_only=True)
class Ground:
    """What rows set up: the flow, servers that live until `stack` is left, and other places on real engines."""

    flow: Flow
    sandbox: Sandbox
    folder: Path
    stack: ExitStack
    elsewhere: Callable[[], Sandbox]
    another_account: Callable[[], Changes]
    databases: list[str] = field(default_factory=list)

    def stranger(self, behaviour: Behaviour, *, tls: bool = False) -> int:
        """The port of a new server that behaves so."""
        certificate = own_certificate(self.folder) if tls else None
        return self.stack.enter_context(Stranger(behaviour, certificate=certificate)).port

    def doorman(self, *, forbidden: str | None = None) -> Doorman:
        return self.stack.enter_context(
            Doorman(self.flow.setting("elasticsearch", "url"), forbidden=forbidden)
        )

    def empty_database(self) -> str:
        """A database of PostgreSQL with nothing in it; whoever made the ground drops it."""
        name = f"elsewhere_{len(self.databases)}"
        config = self.sandbox.config
        with psycopg.connect(config.postgres_admin_dsn, autocommit=True) as admin:
            admin.execute(f"create database {name} owner {config.postgres_user}".encode())
        self.databases.append(name)
        return name

    def schemas_elsewhere(self) -> set[str]:
        """The schemas in those databases that are not PostgreSQL's own."""
        found: set[str] = set()
        for name in self.databases:
            dsn = self.flow.dsn.replace(f"dbname={self.sandbox.config.postgres_database}", f"dbname={name}")
            with psycopg.connect(dsn) as connection:
                rows = connection.execute(
                    "select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'"
                ).fetchall()
            found |= {row[0] for row in rows}
        return found


@dataclass(frozen=True, kw_only=True)
class Row:
    """`set_up` returns what to change in the configuration; `says` is a pattern of what is told of the store.

    `costly`: it needs engines of its own.
    """

    fault: str
    store: str
    set_up: Callable[[Ground], Changes]
    says: str
    code: int = 1
    costly: bool = False

    @property
    def name(self) -> str:
        return f"{self.fault}: {self.store}"


def _set(section: str, **values: str) -> Callable[[Ground], Changes]:
    return lambda ground: {(section, key): value for key, value in values.items()}


def _at_nobodys(store: str) -> Callable[[Ground], Changes]:
    # Port 1 is nobody's on a machine that is not very old.
    return lambda ground: to_port(store, 1)


def _at_neighbours(store: str) -> Callable[[Ground], Changes]:
    return lambda ground: {
        **to_port(store, address(ground.flow, NEIGHBOUR[store])[1]),
        # PostgreSQL's client waits for more from a server that says little.
        **({("database", "connect_seconds"): str(PATIENCE)} if store == "postgres" else {}),
    }


def _at_stranger(store: str, behaviour: Behaviour, *, tls: bool = False) -> Callable[[Ground], Changes]:
    scheme = "https" if tls else "http"
    return lambda ground: to_port(store, ground.stranger(behaviour, tls=tls), scheme=scheme)


def _slow(store: str, behaviour: Behaviour) -> Callable[[Ground], Changes]:
    return lambda ground: {
        **to_port(store, ground.stranger(behaviour)),
        (section_of(store), "connect_seconds"): str(PATIENCE),
    }


def _row(
    fault: str, store: str, set_up: Callable[[Ground], Changes], says: str, *, costly: bool = False
) -> Row:
    return Row(fault=fault, store=store, set_up=set_up, says=says, costly=costly)


_DOWN = {
    "postgres": r"postgres: nobody listens there \(.*check \[database\] host and port",
    "clickhouse": r"clickhouse: the server cannot be reached \(.*check \[clickhouse\] host and port",
    "elasticsearch": r"elasticsearch: the server cannot be reached \(.*check \[elasticsearch\] url",
    "s3": r"s3: S3 could not be asked \(EndpointConnectionError\); check \[s3\] endpoint_url",
    "redis": r"redis: the server cannot be reached.*check \[redis\] host and port",
}
# What is said of a server that speaks another protocol, or breaks off.
_OTHER_KIND = {
    "postgres": r"postgres: (what answers (is not PostgreSQL|closes)|nothing that speaks as PostgreSQL does"
    r"|did not say who it is).*check (where )?\[database\] (host and port|leads)",
    "clickhouse": r"clickhouse: what answers (is not ClickHouse|closed).*check \[clickhouse\] host and port",
    "elasticsearch": r"elasticsearch: (what answers is not a search server|the server lets nobody in \(403\)"
    r"|the server cannot be reached).*check \[elasticsearch\] url",
    "s3": r"s3: (what answers is not S3|S3 could not be asked|S3 answered 500).*check \[s3\] endpoint_url",
    "redis": r"redis: (what answers is not Redis|the server cannot be reached, or closed)"
    r".*check \[redis\] host and port",
}
_SLOW = {
    store: rf"{store}: .* within \d+ s.*\[{section_of(store)}\].* raise connect_seconds there"
    for store in STORES
}
_UNTRUSTED = {
    **_OTHER_KIND,
    "elasticsearch": r"elasticsearch: the server's certificate is not trusted.*check https in \[elasticsearch\] url",
    "s3": r"s3: .*SSLError.*check \[s3\] endpoint_url: https wants a trusted certificate",
}

ROWS: tuple[Row, ...] = (
    *(_row("down", store, _at_nobodys(store), _DOWN[store]) for store in STORES),
    _row(
        "wrong credentials",
        "postgres",
        _set("database", password=WRONG),
        r"postgres: the server does not accept the credentials.*check \[database\] username and password",
    ),
    _row(
        "wrong credentials",
        "clickhouse",
        _set("clickhouse", password=WRONG),
        r"clickhouse: the server does not accept the credentials .*516.*check \[clickhouse\] username and password",
    ),
    _row(
        "wrong credentials",
        "elasticsearch",
        lambda ground: {("elasticsearch", "url"): ground.doorman().url_for(password=WRONG)},
        r"elasticsearch: the server does not accept the credentials \(401\); check \[elasticsearch\] url, its user",
    ),
    _row(
        "wrong credentials",
        "s3",
        _set("s3", aws_secret_access_key=WRONG),
        r"s3: S3 answered SignatureDoesNotMatch; check \[s3\] aws_secret_access_key",
    ),
    _row(
        "wrong credentials",
        "redis",
        _set("redis", password=WRONG),
        r"redis: the server does not accept the password .*WRONGPASS.*check \[redis\] password",
    ),
    _row(
        "wrong user",
        "postgres",
        _set("database", username="nobody"),
        r"postgres: the server does not accept the credentials.*check \[database\] username and password",
    ),
    _row(
        "wrong user",
        "clickhouse",
        _set("clickhouse", username="nobody"),
        r"clickhouse: the server does not accept the credentials .*check \[clickhouse\] username and password",
    ),
    _row(
        "wrong user",
        "elasticsearch",
        lambda ground: {("elasticsearch", "url"): ground.doorman(forbidden="/_resolve").url_for()},
        r"elasticsearch/units: the configured user may not do this to an index; let the user of \[elasticsearch\] url",
    ),
    _row(
        "wrong user",
        "s3",
        _set("s3", aws_access_key_id="NOBODYSKEY"),
        r"s3: S3 answered (XAdminUserNotFound|InvalidAccessKeyId); check \[s3\] aws_access_key_id",
    ),
    _row(
        "wrong user",
        "redis",
        _set("redis", password=""),
        r"redis: the server does not accept the password .*NOAUTH.*check \[redis\] password",
    ),
    _row(
        "wrong database",
        "postgres",
        _set("database", database="nowhere"),
        r"postgres: there is no such database.*check \[database\] database",
    ),
    _row(
        "wrong database",
        "clickhouse",
        lambda ground: _clickhouse_elsewhere(ground),  # noqa: PLW0108 (defined below)
        r"clickhouse/kepler: none of the 5 tables of the inventory is there; check \[clickhouse\] host and port",
        costly=True,
    ),
    _row(
        "wrong database",
        "elasticsearch",
        lambda ground: {("elasticsearch", "url"): ground.elsewhere().config.search_url},
        r"elasticsearch/units: no index matches project-\*; check \[elasticsearch\] url",
        costly=True,
    ),
    _row(
        "wrong database",
        "s3",
        _set("s3", bucket_name="nobodys-bucket"),
        r"s3: S3 answered NoSuchBucket; check \[s3\] bucket_name",
    ),
    _row(
        "wrong database",
        "redis",
        _set("redis", db="9999"),
        r"redis: the server has no database of that number.*check \[redis\] db",
    ),
    _row(
        "somebody else's database",
        "postgres",
        lambda ground: {("database", "database"): ground.empty_database()},
        r"postgres/public.*: (none of the 11 tables of the inventory is there"
        r"|the database lacks 11 of the 11 tables).*check \[database\] database",
    ),
    _row(
        "somebody else's database",
        "s3",
        lambda ground: ground.another_account(),
        r"s3: S3 answered AccessDenied; check \[s3\] aws_access_key_id .* what they may do with bucket_name",
    ),
    *(_row("another engine", store, _at_neighbours(store), _OTHER_KIND[store]) for store in STORES),
    *(_row("a web page", store, _at_stranger(store, content), _OTHER_KIND[store]) for store in STORES),
    *(
        _row("garbage", store, _at_stranger(store, saying(b"\x00\xff\x16!\r\n\r\n" * 50)), _OTHER_KIND[store])
        for store in STORES
    ),
    *(_row("hangs up", store, _at_stranger(store, closing), _OTHER_KIND[store]) for store in STORES),
    *(
        _row("a certificate of its own", store, _at_stranger(store, content, tls=True), _UNTRUSTED[store])
        for store in STORES
    ),
    *(_row("silent", store, _slow(store, silent), _SLOW[store]) for store in STORES),
    *(
        _row("trickles", store, _slow(store, trickling(*_OPENINGS.get(store, _HTTP))), _SLOW[store])
        for store in STORES
    ),
)
FAULTS = tuple(dict.fromkeys(row.fault for row in ROWS))


def rows_of(fault: str, *, costly: bool) -> list[Row]:
    return [row for row in ROWS if row.fault == fault and row.costly is costly]


def _clickhouse_elsewhere(ground: Ground) -> Changes:
    config = ground.elsewhere().config
    return {
        ("clickhouse", "port"): str(config.clickhouse_port),
        ("clickhouse", "password"): config.clickhouse_password,
    }
