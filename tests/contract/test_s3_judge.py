"""The judge of whole objects in S3: by requests of its own it finds what the store finds, and what nobody can erase.

Holds: objects that go as a whole.
Add here: another way in which the judge could be blind.
Keep out: files with rows (`test_s3_obstacles.py`), and how the store finds them (`test_s3_persons.py`).
"""

from typing import Any

import pytest

from erasure.inventory import Inventory
from erasure.stores.base import no_progress
from erasure.stores.s3.store import S3Store
from expectations.readers import s3 as judge
from expectations.readers.base import VerifiedBatch
from expectations.readers.s3 import read_s3
from sandbox.config import SandboxConfig
from tests.contract.s3_support import everything, hold, new_bucket, s3_object, settings_for, targets
from tests.contract.test_s3_persons import ANN, ID, NO_WAY, OTHER, WAYS


@pytest.mark.parametrize(
    ("way", "listed_alone", "theirs", "others", "written"),
    [
        ("id", 0, "u1", "u10", "u1"),
        ("id", 50, "7", "70", "7"),
        ("id", 0, ID, OTHER, ID.upper()),
        ("id", 50, ID, OTHER, ID.upper()),
        ("tag", 50, "U1", "u1", "U1"),
        ("metadata", 50, ID, OTHER, ID.upper()),
    ],
)
def test_the_judge_knows_ids_of_every_form(
    s3_client: Any,
    s3_config: SandboxConfig,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    theirs: str,
    others: str,
    written: str,
    listed_alone: int,
) -> None:
    monkeypatch.setattr(judge, "_LISTED_ALONE", listed_alone)
    bucket, (declared, named) = new_bucket(s3_client), WAYS.get(way, NO_WAY)
    for owner in (written, others):
        key = f"a/{owner}/x" if way == "id" else f"a/{owner.encode().hex()}"
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"x", **named(owner))
    item = s3_object("a/{contributor_id}/" if way == "id" else "a/", **declared)
    inventory, settings = Inventory(world="kepler", objects=(item,)), settings_for(s3_config, bucket)
    batch = VerifiedBatch(batch_id="b", persons={theirs: theirs})

    (before,) = read_s3(settings, inventory, batch)
    S3Store(s3_client, bucket, [item]).mask(targets(theirs), no_progress)
    (after,) = read_s3(settings, inventory, batch)

    assert (before.survivors, after.survivors) == (1, 0)
    assert len(everything(s3_client, bucket)) == 1


@pytest.mark.parametrize("way", ["id", "email", *WAYS])
def test_the_judge_finds_the_same_by_requests_of_its_own(
    s3_client: Any, s3_config: SandboxConfig, way: str
) -> None:
    bucket = new_bucket(s3_client, locking=True)
    declared, named = WAYS.get(way, NO_WAY)
    location = {"id": "a/{contributor_id}/", "email": "a/{email}/"}.get(way, "a/")
    for owner, email in ((ID, ANN["u1"]), (OTHER, "bo@example.com")):
        key = f"a/{ {'id': owner, 'email': email}.get(way, owner) }/x"
        for name in ("one", "two"):
            s3_client.put_object(Bucket=bucket, Key=f"{key}/{name}", Body=b"x", **named(owner))
    item = s3_object(location, **declared)
    inventory = Inventory(world="kepler", objects=(item,))
    batch = VerifiedBatch(batch_id="b", persons={ID: ID}, emails={ANN["u1"]: ID}, needles={ID: (ANN["u1"],)})
    settings = settings_for(s3_config, bucket)

    (found,) = read_s3(settings, inventory, batch)
    assert (found.survivors, found.not_erasable) == (2, 0)
    for key, version in everything(s3_client, bucket):
        if key.endswith("one"):
            hold(s3_client, bucket, key, version, "ON")
    (found,) = read_s3(settings, inventory, batch)
    assert (found.survivors, found.not_erasable) == (1, 1)
    S3Store(s3_client, bucket, [item]).mask(targets(ID, emails={ID: ANN["u1"]}), no_progress)
    (found,) = read_s3(settings, inventory, batch)
    assert (found.survivors, found.not_erasable) == (0, 1)
    assert len(everything(s3_client, bucket)) == 3
