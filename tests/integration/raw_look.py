"""A raw look into all five engines, with nothing of the product in it.

Holds: `look`, which reads every record that a configuration leads to, and `Snapshot`, what it saw.
Add here: another place of an engine in which a value may lie.
Keep out: any import of ours, and any knowledge of tables, indices or keys: what it does not know it cannot overlook.
"""

import configparser
import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import httpx
import psycopg
import pyarrow.parquet as pq
import redis
from psycopg import sql

STORES = ("postgres", "clickhouse", "elasticsearch", "s3", "redis")
_MOST_DOCUMENTS = 10_000  # what one search answers
MARKER = "(delete marker)"
_S3_THREADS = 4


class Place(NamedTuple):
    """Where a record lies: `object` is a table, an index, a bucket, or a kind of Redis key."""

    store: str
    object: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Every record as text. Its repr shows none."""

    records: Mapping[Place, str] = field(repr=False)

    def naming(self, values: Iterable[str]) -> list[Place]:
        """The records whose text or key holds one of the values, in any case of letters."""
        wanted = [value.lower() for value in values]
        return [
            place
            for place, text in self.records.items()
            if any(value in text.lower() or value in place.key.lower() for value in wanted)
        ]

    def without(self, object_prefix: str) -> "Snapshot":
        """The same without the objects whose name begins so."""
        kept = {
            place: text for place, text in self.records.items() if not place.object.startswith(object_prefix)
        }
        return Snapshot(records=kept)

    def of(self, store: str, object_prefix: str = "") -> dict[Place, str]:
        """The records of one store."""
        return {
            place: text
            for place, text in self.records.items()
            if place.store == store and place.object.startswith(object_prefix)
        }


def look(config: Path) -> Snapshot:
    """Reads everything; raises where it could see a part only."""
    ini = configparser.RawConfigParser()
    ini.read_string(config.read_text(encoding="utf-8"))
    records: dict[Place, str] = {}
    for place, text in (
        *_postgres(ini["database"]),
        *_clickhouse(ini["clickhouse"]),
        *_search(ini["elasticsearch"]),
        *_s3(ini["s3"]),
        *_redis(ini["redis"]),
    ):
        assert place not in records, f"{place.store}/{place.object}: two records under one key"
        records[place] = text
    return Snapshot(records=records)


def _postgres(section: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    """Every table and materialized view of every schema that is not PostgreSQL's own."""
    with psycopg.connect(
        host=section["host"],
        port=section["port"],
        dbname=section["database"],
        user=section["username"],
        password=section["password"],
    ) as connection:
        tables = connection.execute(
            "select n.nspname, c.relname, coalesce((select array_agg(a.attname::text order by a.attnum)"
            " from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey)"
            " where i.indrelid = c.oid and i.indisprimary), '{}')"
            " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where c.relkind in ('r', 'm') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'"
        ).fetchall()
        for schema, table, key in tables:
            query = sql.SQL("select {key}, record::text from {table} as record order by 1, 2").format(
                key=sql.SQL("concat_ws('/', {})").format(
                    sql.SQL(", ").join(sql.SQL("record.{}").format(sql.Identifier(name)) for name in key)
                )
                if key
                else sql.SQL("''"),
                table=sql.Identifier(schema, table),
            )
            rows = connection.execute(query).fetchall()
            yield from _numbered("postgres", f"{schema}.{table}", rows)


def _clickhouse(section: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    """Every table of every database that is not ClickHouse's own, and the texts of its mutations.

    Rows of a view are those of other tables. A key column of text may be a person's, and then change with its record.
    """

    def ask(query: str) -> list[dict[str, Any]]:
        answer = httpx.post(
            f"http://{section['host']}:{section['port']}/",
            content=f"{query} FORMAT JSONEachRow",
            headers={"X-ClickHouse-User": section["username"], "X-ClickHouse-Key": section["password"]},
            timeout=60,
            trust_env=False,
        )
        answer.raise_for_status()
        return [json.loads(line) for line in answer.text.splitlines()]

    own = "database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')"
    tables = ask(
        f"SELECT database, name, engine FROM system.tables WHERE {own} AND NOT is_temporary"
        " AND engine NOT IN ('View', 'MaterializedView')"
    )
    keys = ask(
        f"SELECT database, table, name FROM system.columns WHERE {own} AND is_in_sorting_key AND type != 'String'"
    )
    for table in tables:
        columns = [
            k["name"] for k in keys if (k["database"], k["table"]) == (table["database"], table["name"])
        ]
        rows = ask(f"SELECT * FROM `{table['database']}`.`{table['name']}`")
        keyed = ((_joined(row[name] for name in columns), _text(row)) for row in rows)
        yield from _numbered("clickhouse", f"{table['database']}.{table['name']}", sorted(keyed))
    mutations = ask(f"SELECT database, table, mutation_id, command FROM system.mutations WHERE {own}")
    for mutation in mutations:
        name = f"mutations.{mutation['database']}.{mutation['table']}"
        yield Place("clickhouse", name, mutation["mutation_id"]), mutation["command"]


def _search(section: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    """Every document of every index, hidden and closed ones too; what is not refreshed yet is made visible."""
    with httpx.Client(base_url=section["url"], timeout=60, trust_env=False) as client:
        listed = client.get(
            "/_cat/indices", params={"format": "json", "expand_wildcards": "all", "h": "index"}
        )
        listed.raise_for_status()
        for index in sorted(each["index"] for each in listed.json()):
            client.post(f"/{index}/_refresh").raise_for_status()
            body = {"size": _MOST_DOCUMENTS, "track_total_hits": True, "sort": ["_doc"]}
            answer = client.post(f"/{index}/_search", json=body)
            answer.raise_for_status()
            found = answer.json()["hits"]
            assert found["total"]["value"] == len(found["hits"]), (
                f"{index} has more documents than one look sees"
            )
            for hit in found["hits"]:
                yield Place("elasticsearch", index, hit["_id"]), _text(hit["_source"])


def _s3(section: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    """Every version of every object with its body, and the delete markers."""
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=section.get("endpoint_url"),
        region_name=section.get("region"),
        aws_access_key_id=section["aws_access_key_id"],
        aws_secret_access_key=section["aws_secret_access_key"],
    )
    bucket = section["bucket_name"]

    def body(each: Mapping[str, Any]) -> tuple[Place, str]:
        got = client.get_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
        return place(each), _unpacked(got["Body"].read())

    def place(each: Mapping[str, Any]) -> Place:
        return Place("s3", bucket, f"{each['Key']}@{each['VersionId']}")

    with ThreadPoolExecutor(_S3_THREADS) as pool:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
            yield from pool.map(body, page.get("Versions", []))
            yield from ((place(each), MARKER) for each in page.get("DeleteMarkers", []))


def _unpacked(stored: bytes) -> str:
    """What is stored as text. Of what is packed the content, behind a digest: the same content can be packed anew."""
    if stored.startswith(b"\x1f\x8b"):
        content = gzip.decompress(stored).decode("utf-8", errors="backslashreplace")
    elif stored.startswith(b"PAR1"):
        content = _parquet(pq.ParquetFile(io.BytesIO(stored)))
    else:
        return stored.decode("utf-8", errors="backslashreplace")
    return f"{hashlib.sha256(stored).hexdigest()}\n{content}"


def _parquet(file: Any) -> str:
    """How it is built in one line, then a row a line."""
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    built = {
        "columns": [str(column) for column in file.schema_arrow],
        "metadata": {str(k): str(v) for k, v in (file.schema_arrow.metadata or {}).items()},
        "groups": [(group.num_rows, group.column(0).compression) for group in groups],
    }
    rows = file.read().to_pylist()
    return "\n".join([_text(built), *(json.dumps(row, ensure_ascii=False, default=str) for row in rows)])


def _redis(section: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    """Every key of the configured database with its value, by its type."""
    with redis.Redis(
        host=section["host"],
        port=int(section["port"]),
        password=section.get("password"),
        db=int(section.get("db", 0)),
        decode_responses=True,
    ) as client:
        for key in client.scan_iter(count=1_000):
            yield Place("redis", str(key).partition(":")[0], str(key)), _text(_redis_value(client, str(key)))


def _redis_value(client: Any, key: str) -> Any:
    match client.type(key):
        case "string":
            return client.get(key)
        case "hash":
            return client.hgetall(key)
        case "set":
            return sorted(client.smembers(key))
        case "list":
            return client.lrange(key, 0, -1)
        case "zset":
            return client.zrange(key, 0, -1, withscores=True)
        case kind:
            raise AssertionError(f"redis: a key of type {kind}, which this look cannot read")


def _numbered(store: str, name: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Place, str]]:
    """Rows whose key is not unique get a number behind it."""
    seen: dict[str, int] = {}
    for key, text in rows:
        seen[key] = seen.get(key, 0) + 1
        yield Place(store, name, key if seen[key] == 1 else f"{key}#{seen[key]}"), text


def _joined(values: Iterable[Any]) -> str:
    return "/".join(str(value) for value in values)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
