"""Work on S3 killed for real: each file is the old one or the new one, and a second run does the rest.

Runs on the server that the sandbox has; wherever its data lies, it is our process that is killed.
Holds: kill -9 in the middle of writing files, and of removing somebody's objects.
Add here: another moment.
Keep out: other writers (`tests/contract/test_s3_shared.py`).
"""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from erasure.stores.base import no_progress
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox
from tests.contract.s3_rows_support import PEOPLE, ROWS, put_rows, read, store_of_rows, table
from tests.contract.s3_support import OBJECT, client_for, everything, new_bucket, put, store_on, targets
from tests.sandbox_fixtures import eventually

KEYS = [f"exports/{number}/units.csv.gz" for number in range(6)]
# Stops itself before one of its requests, as long as it takes to be killed.
CHILD = """
import os, signal, sys
from erasure.stores.base import no_progress
from erasure.stores.s3 import removal, shared
from sandbox.config import SandboxConfig
from tests.contract.s3_rows_support import store_of_rows
from tests.contract.s3_support import client_for, store_on, targets

url, key, secret, region, bucket, moment, after, what = sys.argv[1:]
shared.THREADS = removal._LANES = 1
removal.DELETED_AT_ONCE = 2
import boto3
from botocore.config import Config
client = boto3.client("s3", endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret,
    region_name=region, config=Config(s3={"addressing_style": "path"}))
seen = []
def stop(**_):
    seen.append(1)
    if len(seen) == int(after):
        os.kill(os.getpid(), signal.SIGSTOP)
client.meta.events.register(moment, stop)
store = store_of_rows if what == "rows" else store_on
store(client, bucket).mask(targets("u1"), no_progress)
"""


@pytest.mark.parametrize(
    ("moment", "after"),
    [
        ("before-send.s3.PutObject", 3),
        # Written, and its older versions are still there.
        ("after-call.s3.PutObject", 2),
        pytest.param("before-send.s3.DeleteObjects", 1, marks=pytest.mark.full),
        pytest.param("after-call.s3.DeleteObjects", 3, marks=pytest.mark.full),
    ],
)
def test_a_file_is_the_old_one_or_the_new_one_after_a_kill_and_a_rerun_finishes(
    sandbox: Sandbox, moment: str, after: int
) -> None:
    config = sandbox.config
    client = client_for(config)
    bucket = new_bucket(client)
    for key in KEYS:
        put_rows(client, bucket, key, table("u1", "u2"))
        put_rows(client, bucket, key, table(*PEOPLE))

    kill_in_the_middle(config, bucket, moment, after, "rows")

    old, new = table(*PEOPLE), table(*PEOPLE, masked=("u1",))
    found = [read(client, bucket, key) for key in KEYS]
    assert all(rows in (old, new) for rows in found)
    assert old in found
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    store_of_rows(client, bucket).mask(targets("u1"), no_progress)
    assert [read(client, bucket, key) for key in KEYS] == [new] * len(KEYS)
    assert sorted(key for key, _ in everything(client, bucket)) == KEYS
    assert store_of_rows(client, bucket).count(targets("u1"))[ROWS].records == 0


@pytest.mark.full
@pytest.mark.parametrize("moment", ["after-call.s3.DeleteObjects", "after-call.s3.AbortMultipartUpload"])
def test_somebodys_objects_are_there_or_gone_after_a_kill_and_a_rerun_finishes(
    sandbox: Sandbox, moment: str
) -> None:
    config = sandbox.config
    client = client_for(config)
    bucket = new_bucket(client)
    for owner in ("u1", "u10"):
        for number in range(5):
            put(client, bucket, *[f"contributors/{owner}/{number}"] * 2)
        for number in range(2):
            client.create_multipart_upload(Bucket=bucket, Key=f"contributors/{owner}/film-{number}")
    before = everything(client, bucket)

    kill_in_the_middle(config, bucket, moment, 1, "persons")

    others = [one for one in before if "/u10/" in one[0]]
    left = everything(client, bucket)
    assert set(others) < set(left) <= set(before)
    done = store_on(client, bucket).mask(targets("u1"), no_progress)[OBJECT]
    assert done.elements == len(left) - len(others)
    assert everything(client, bucket) == others
    uploads = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert {upload["Key"] for upload in uploads} == {f"contributors/u10/film-{number}" for number in range(2)}


def kill_in_the_middle(config: SandboxConfig, bucket: str, moment: str, after: int, what: str) -> None:
    told: list[Any] = [config.s3_endpoint_url, config.s3_access_key, config.s3_secret_key, config.s3_region]
    child = subprocess.Popen([sys.executable, "-c", CHILD, *told, bucket, moment, str(after), what])

    def is_stopped() -> bool:
        assert child.poll() is None, f"ended by itself with {child.returncode}"
        return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    try:
        eventually(is_stopped, within=120)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
