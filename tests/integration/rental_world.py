"""A video rental shop in databases of its own, with the command pointed at it: another world than the sandbox's.

Holds: `Shop`, its customers and the fixture `shop`. The schema is that of `dbt_project/models/rental/schema/`.
Add here: a row that makes a case.
Keep out: what must hold afterwards (`test_rental_world.py`).
"""

import configparser
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
import psycopg
import pytest
from clickhouse_connect.driver.client import Client

from erasure.settings import CONFIG_VARIABLE, ENVIRONMENT, PROJECT_ROOT, VAR_VARIABLE
from sandbox.supervisor import Sandbox
from tests.sandbox_fixtures import make_root

SCHEMA = PROJECT_ROOT / "dbt_project" / "models" / "rental" / "schema"
CUSTOMERS = 40
# Who has rented nothing for years, and of them who has a film at home.
INACTIVE = range(1, 11)
KEEPS_A_FILM = 10
# Customer ids of which one begins the other.
PREFIX, LONGER = 1, 11
STAFF_ADDRESS, STORE_ADDRESS = 900, 901
_LONG_AGO, _LATELY = "2019-05-01 10:00:00", "now"


def email_of(number: int) -> str:
    return f"customer{number}@shop.example"


def name_of(number: int) -> str:
    return f"Firstname{number:03} Lastname{number:03}"


def values_of(number: int) -> list[str]:
    """Everything by which a customer could be recognised, but for the id."""
    return [
        *(email_of(number), f"Firstname{number:03}", f"Lastname{number:03}", f"555-0{number:03}"),
        *(f"{number:03} Made Up Road", f"Z{number:04}", f"192.0.2.{number}", f"pen name {number:03}"),
    ]


@dataclass(frozen=True, kw_only=True)
class Shop:
    """The shop's two databases and a configuration that names them."""

    root: Path
    config: Path
    raw: psycopg.Connection[tuple[Any, ...]] = field(repr=False)
    analytics: Client = field(repr=False)

    def command(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """The command as users have it: exit code, its JSON, and everything it said."""
        inherited = {
            name: value for name, value in os.environ.items() if name not in (CONFIG_VARIABLE, *ENVIRONMENT)
        }
        var = self.root / "var"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "dagster_defs.cli.main", "--config", str(self.config)),
                *("--output", "json", *arguments),
            ],
            cwd=PROJECT_ROOT,
            env={
                **inherited,
                VAR_VARIABLE: str(var),
                "CONTRIBUTOR_DELETION_DAGSTER": str(var / "dagster"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(done.stdout), done.stdout + done.stderr

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.raw.execute(query.encode()).fetchall()

    def events(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.analytics.query(query).result_rows]

    def dump(self) -> str:
        """All rows of all tables of the shop, in both engines."""
        tables = [
            *("customer", "address", "payment", "rental", "staff", "store"),
            *('"Customer Review"', '"CustomerSession"'),
        ]
        lines = [str(row) for table in tables for row in self.rows(f"select * from {table}")]
        for table in ("rentals", "web_events", "web_sessions"):
            lines += [str(row) for row in self.events(f"select * from rental.{table}")]
        return "\n".join(sorted(lines))


@pytest.fixture(scope="module")
def shop(sandbox: Sandbox) -> Iterator[Shop]:
    config, database = sandbox.config, f"rental_{uuid.uuid4().hex[:12]}"
    root = make_root()
    (root / "var" / "dagster").mkdir(parents=True)
    client = clickhouse_connect.get_client(
        host=config.host,
        port=config.clickhouse_port,
        username=config.clickhouse_user,
        password=config.clickhouse_password,
    )
    with psycopg.connect(config.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {database} owner {config.postgres_user}".encode())
        try:
            dsn = config.postgres_dsn.replace(f"dbname={config.postgres_database}", f"dbname={database}")
            with psycopg.connect(dsn, autocommit=True) as raw:
                shop = Shop(root=root, config=_config(sandbox, root, database), raw=raw, analytics=client)
                _fill(shop)
                yield shop
        finally:
            admin.execute(f"drop database {database} with (force)".encode())
            client.command("drop database if exists rental sync")
            shutil.rmtree(root, ignore_errors=True)


def _config(sandbox: Sandbox, root: Path, database: str) -> Path:
    """The sandbox's, with this world and its database; the stores it has nothing in are nowhere."""
    ini = configparser.RawConfigParser()
    ini.read_string(sandbox.config.config_path.read_text(encoding="utf-8"))
    for section, key, value in (
        ("database", "database", database),
        ("erasure", "world", "rental"),
        ("elasticsearch", "url", "http://localhost:9"),
        ("redis", "port", "9"),
        ("s3", "endpoint_url", "http://localhost:9"),
    ):
        if not ini.has_section(section):
            ini.add_section(section)
        ini.set(section, key, value)
    ini.remove_section("api")
    path = root / "config.ini"
    with path.open("w", encoding="utf-8") as file:
        ini.write(file)
    return path


def _fill(shop: Shop) -> None:
    shop.raw.execute((SCHEMA / "postgres.ddl").read_bytes())
    shop.analytics.command("drop database if exists rental sync")
    shop.analytics.command("create database rental")
    for statement in filter(str.strip, (SCHEMA / "clickhouse.ddl").read_text().split(";")):
        shop.analytics.command(statement)
    # Two versions of an event must still be two when it is masked.
    shop.analytics.command("system stop merges rental.web_events")
    shop.raw.execute(
        f"""
        insert into country values (1, 'Nowhere');
        insert into city values (1, 'Here', 1), (2, 'There', 1);
        insert into address (address_id, address, district, city_id, phone) values
            ({STAFF_ADDRESS}, 'Staff Street 1', 'D', 1, '555-9000'),
            ({STORE_ADDRESS}, 'Shop Street 1', 'D', 1, '555-9001');
        insert into staff values (1, 'Stan', 'Staff', {STAFF_ADDRESS}, 'stan@shop.example', 1, true, 'stan');
        insert into store values (1, 1, {STORE_ADDRESS});
        insert into film values (1, 'A Film', 2.99), (2, 'Another', 0.99);
        insert into inventory values (1, 1, 1), (2, 2, 1);
        """.encode()
    )
    for number in range(1, CUSTOMERS + 1):
        _customer(shop, number)


def _customer(shop: Shop, number: int) -> None:
    last = _LONG_AGO if number in INACTIVE else _LATELY
    returned = None if number == KEEPS_A_FILM else last
    preferences = {
        "contact": {"email": email_of(number).upper(), "phones": [f"555-0{number:03}"]},
        "seen_from": [f"192.0.2.{number}", None],
        "newsletter": number % 2 == 0,
    }
    statements: Sequence[tuple[str, Sequence[Any]]] = [
        (
            "insert into address values (%s, %s, %s, 'D', %s, %s, %s, '2020-01-01')",
            (
                number,
                f"{number:03} Made Up Road",
                f"c/o {name_of(number)}",
                1 + number % 2,
                f"Z{number:04}",
                f"555-0{number:03}",
            ),
        ),
        (
            "insert into customer (customer_id, store_id, first_name, last_name, email, address_id, phones, last_ip,"
            " preferences, create_date) values (%s, 1, %s, %s, %s, %s, %s, %s, %s, '2018-01-01')",
            (
                number,
                *name_of(number).split(),
                email_of(number),
                number,
                [f"555-0{number:03}"],
                f"192.0.2.{number}",
                json.dumps(preferences),
            ),
        ),
        ("insert into rental values (%s, %s, 1, %s, %s, 1)", (number, last, number, returned)),
        (
            "insert into payment values (%s, %s, 1, %s, 2.99, %s, %s)",
            (number, number, number, name_of(number), last),
        ),
        (
            'insert into "Customer Review" values (%s, 1, %s, %s)',
            (number, f"pen name {number:03}", f"{name_of(number)} liked it. Write to {email_of(number)}!"),
        ),
        (
            'insert into "CustomerSession" values (%s, %s, %s, now())',
            (uuid.UUID(int=number), number, f"192.0.2.{number}"),
        ),
    ]
    for statement, values in statements:
        shop.raw.execute(statement.encode(), values)
    rented = "2019-05-01 10:00:00" if number in INACTIVE else "2026-01-01 10:00:00"
    shop.analytics.command(
        f"insert into rental.rentals values"
        f" ({number}, '{email_of(number)}', '{name_of(number)}', 1, 1, 2.99, '{rented}')"
    )
    shop.analytics.command(
        "insert into rental.web_events values"
        f" ('{email_of(number)}', 1, '192.0.2.{number}', ['pen name {number:03}'], 'I am {name_of(number)}', 1),"
        f" ('{email_of(number).upper()}', 1, '192.0.2.{number}', [], 'thanks, {name_of(number)}, again', 1)"
    )
    shop.analytics.command(
        f"insert into rental.web_events values ('{email_of(number)}', 1, '192.0.2.{number}', [], 'later', 2)"
    )
    shop.analytics.command(
        f"insert into rental.web_sessions values ('{uuid.UUID(int=number)}', {number}, now())"
    )
