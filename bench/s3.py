"""S3: the files of many contributors deleted, by the product, by one pass over known keys, and by a loop.

`python -m bench.s3` starts a server of its own below a directory of its own, which is gone at the end.
Add here: another way of doing the same.
Keep out: rows within files (`rows.py`), and how a run is measured.
"""

import argparse
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measuring import Measured, WrongOutcome, measured
from bench.results import Result, as_text, write
from bench.scene import contributor_id
from erasure.inventory import InventoryObject, Subject
from erasure.rules import Rule
from erasure.s3_client import s3_client
from erasure.settings import var_dir
from erasure.store_settings import S3Settings
from erasure.stores.base import no_progress
from erasure.stores.s3.store import S3Store
from erasure.targets import TargetSet
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox

OBJECTS_EACH = 10
_THREADS = 8
_DELETED_AT_ONCE = 1_000
# Listing begins at a contributor's prefix; each object is then deleted by a request of its own.
_SAMPLE = 20
# A script that knows no prefix lists everything and picks the keys of one contributor.
_WHOLE_SAMPLE = 3
_MEAN_OF_LISTINGS = (1 + 0.1 / 1.1) / 2


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """`contributors` are erased; a tenth as many others stay."""

    client: Any
    name: str
    contributors: int

    def fill(self) -> None:
        """Every contributor gets the same number of small objects."""
        everybody = range(self.contributors + self.contributors // 10)
        keys = [key_of(number, each) for number in everybody for each in range(OBJECTS_EACH)]
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(lambda key: self.client.put_object(Bucket=self.name, Key=key, Body=b"x"), keys):
                pass

    def left(self) -> int:
        """How many objects there are."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sum(len(page.get("Contents", ())) for page in pages)


def contributors_of(scale: float) -> int:
    """How many are erased at a scale."""
    return max(20, int(10_000 * scale))


def key_of(number: int, each: int) -> str:
    """The key of a contributor's so-manieth object."""
    return f"contributors/{contributor_id(number)}/{each}.txt"


def measure(
    config: SandboxConfig, engine_pid: int, contributors: int, say: Callable[[str], None]
) -> list[Result]:
    """Every way in a bucket of its own, a result for each loop; raises WrongOutcome where one left or took too much."""
    settings = S3Settings.model_validate(
        {
            "bucket_name": "bench",
            "endpoint_url": config.s3_endpoint_url,
            "region": config.s3_region,
            "aws_access_key_id": config.s3_access_key,
            "aws_secret_access_key": config.s3_secret_key,
        }
    )
    objects = contributors * OBJECTS_EACH
    sample = min(_SAMPLE, contributors)

    def run(name: str, work: Callable[[Bucket], object], erased: int) -> Measured:
        client = s3_client(settings)
        bucket = Bucket(client=client, name=f"bench-{uuid.uuid4().hex[:12]}", contributors=contributors)
        client.create_bucket(Bucket=bucket.name)
        bucket.fill()
        asked: list[str] = []
        client.meta.events.register("before-send.s3", lambda **_: asked.append(name))
        done = measured(lambda: work(bucket), engine_pid)
        requests, expected = len(asked), bucket.left()
        if expected != objects + contributors // 10 * OBJECTS_EACH - erased:
            raise WrongOutcome(f"s3: {name} has left {expected} objects")
        say(f"s3: {name}: {done.seconds:.2f} s, {requests} requests for {erased} objects")
        return done

    ours = run("the store's mask, which lists again", _ours, objects)
    bare = run("DeleteObjects over keys that are known", _bare, objects)
    loop = run(
        "a listing a contributor and a DELETE an object",
        lambda bucket: _loop(bucket, sample),
        sample * OBJECTS_EACH,
    )
    fewer = min(_WHOLE_SAMPLE, contributors)
    whole = run(
        "a listing of the whole bucket a contributor and a DELETE an object",
        lambda bucket: _whole_loop(bucket, fewer),
        fewer * OBJECTS_EACH,
    )

    def result(work: str, per_contributor: float, sampled: int) -> Result:
        return Result(
            store="s3",
            work=work,
            contributors=contributors,
            records=objects,
            ours_s=round(ours.seconds, 3),
            bare_s=round(bare.seconds, 3),
            per_contributor_s=round(per_contributor * contributors, 3),
            per_contributor_sample=sampled,
            peak_rss_mb=ours.own_mb,
            engine_peak_mb=ours.engine_mb,
            recount_s=0.0,
        )

    return [
        result("objects, loop by prefix", loop.seconds / sample, sample),
        # The more are gone, the shorter the listing: in the mean, half of those who go and all who stay.
        result("objects, loop over whole listings", whole.seconds / fewer * _MEAN_OF_LISTINGS, fewer),
    ]


def _ours(bucket: Bucket) -> None:
    item = InventoryObject(
        store="s3",
        name="contributor_files",
        source="kepler_s3",
        schema="kepler_s3",
        location="contributors/{contributor_id}/",
        subject=Subject(),
        rule=Rule.DELETE,
    )
    ids = frozenset(contributor_id(number) for number in range(bucket.contributors))
    targets = TargetSet(batch_id="bench", contributor_ids=ids)
    S3Store(bucket.client, bucket.name, [item]).mask(targets, no_progress)


def _bare(bucket: Bucket) -> None:
    keys = [{"Key": key_of(n, each)} for n in range(bucket.contributors) for each in range(OBJECTS_EACH)]
    for start in range(0, len(keys), _DELETED_AT_ONCE):
        chunk = keys[start : start + _DELETED_AT_ONCE]
        bucket.client.delete_objects(Bucket=bucket.name, Delete={"Objects": chunk, "Quiet": True})


def _loop(bucket: Bucket, sample: int) -> None:
    for number in range(sample):
        prefix = f"contributors/{contributor_id(number)}/"
        page = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=prefix)
        for entry in page["Contents"]:
            bucket.client.delete_object(Bucket=bucket.name, Key=entry["Key"])


def _whole_loop(bucket: Bucket, sample: int) -> None:
    for number in range(sample):
        pages = bucket.client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        for key in keys:
            if contributor_id(number) in key:
                bucket.client.delete_object(Bucket=bucket.name, Key=key)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measures, writes `var/bench/s3.json`, and prints it as a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.s3", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--scale", type=float, default=1.0, help="1 is 10,000 contributors with 100,000 objects"
    )
    parser.add_argument("--s3", default=None, choices=["moto", "versitygw"])
    parser.add_argument("--out", type=Path, default=var_dir() / "bench" / "s3.json")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="sandbox-bench-"))
    sandbox = Sandbox(root, engines=("s3",), kinds={"s3": options.s3})
    try:
        sandbox.up()
        (pid,) = [engine.pid or 0 for engine in sandbox.status() if engine.name == "s3"]
        contributors = contributors_of(options.scale)
        results = measure(sandbox.config, pid, contributors, _say)
    finally:
        sandbox.down()
        shutil.rmtree(root, ignore_errors=True)
    write(results, options.out)
    print(as_text(results))
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
