"""Files with rows of three people in S3, and the inventory's object for them.

Holds: `exports`, the rows in three formats, and what a key holds now.
Add here: another format.
Keep out: tests; every rule of every format is tested with the codecs.
"""

import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from erasure.inventory import Field, InventoryObject, Rows, Subject
from erasure.rules import Rule
from erasure.stores.s3.store import S3Store
from tests.contract.s3_support import s3_object

ROWS = "exports"
GLOB = "exports/**/*"
PEOPLE = ("u1", "u10", "u2")


def exports(glob: str = GLOB, **rows: Any) -> InventoryObject:
    """Rows of `worker`, whose `email` is masked and whose `answer` is kept."""
    return s3_object(
        glob,
        name=ROWS,
        rule=None,
        subject=Subject(contributor_id="worker"),
        fields=(
            Field(name="email", rule=Rule.CONSTANT),
            Field(name="answer", rule=Rule.KEEP, reason="work product"),
        ),
        rows=Rows(**rows),
    )


def store_of_rows(client: Any, bucket: str, **rows: Any) -> S3Store:
    return S3Store(client, bucket, [exports(**rows)])


def table(*people: str, masked: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """A row for each person, in that order."""
    return [
        {
            "worker": person,
            "email": "DELETED_USER" if person in masked else f"{person}@example.com",
            "answer": f"yes, by {number}",
        }
        for number, person in enumerate(people)
    ]


def as_csv(rows: list[dict[str, str]]) -> bytes:
    lines = ["worker,email,answer", *(f'{r["worker"]},{r["email"]},"{r["answer"]}"' for r in rows)]
    return "\r\n".join(lines).encode() + b"\r\n"


def as_csv_gz(rows: list[dict[str, str]]) -> bytes:
    return gzip.compress(as_csv(rows), mtime=0)


def as_jsonl(rows: list[dict[str, str]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_parquet(rows: list[dict[str, str]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


WRITTEN = {".csv": as_csv, ".csv.gz": as_csv_gz, ".jsonl": as_jsonl, ".parquet": as_parquet}


def read(client: Any, bucket: str, key: str) -> list[dict[str, str]]:
    """The rows that stand under a key now, read without our code."""
    body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    if key.endswith(".gz"):
        body = gzip.decompress(body)
    if key.endswith(".parquet"):
        return list(pq.read_table(io.BytesIO(body)).to_pylist())
    if key.endswith(".jsonl"):
        return [json.loads(line) for line in body.splitlines()]
    # Commas stand in the last cell alone, and that one is quoted.
    header, *lines = body.decode().splitlines()
    names = header.split(",")
    return [
        dict(zip(names, [*line.split(",", 2)[:2], line.split(",", 2)[2].strip('"')], strict=True))
        for line in lines
    ]


def put_rows(client: Any, bucket: str, key: str, rows: list[dict[str, str]], **more: Any) -> str:
    """Returns the id of the version, `null` where the bucket keeps none."""
    suffix = next(suffix for suffix in (".csv.gz", *WRITTEN) if key.endswith(suffix))
    answer = client.put_object(Bucket=bucket, Key=key, Body=WRITTEN[suffix](rows), **more)
    return str(answer.get("VersionId", "null"))
