"""The exports of a world: files with rows of many people, as the inventory of the world describes them.

Add here: what must be true of another file of exports.
Keep out: the bucket (`contract/test_world_load.py`), and what a deletion makes of them (`integration/`).
"""

import io
import json
from collections.abc import Iterator

import pytest

from erasure.inventory import InventoryObject
from erasure.stores.s3.globs import Glob
from erasure.stores.s3.rows.base import RowCounts, rules_for
from erasure.stores.s3.rows.codecs import codec_of
from erasure.targets import Needle, TargetSet
from sandbox.world.contributors import Contributor
from sandbox.world.generate import World, generated_world, today
from sandbox.world.writers.exports import Export, exports_of
from sandbox.world.writers.s3 import files_of
from tests.inventory_fixtures import kepler_inventory


@pytest.fixture(scope="module")
def world() -> World:
    return generated_world(contributors=60, seed=3, as_of=today())


@pytest.fixture(scope="module")
def exports(world: World) -> list[Export]:
    return list(exports_of(world, files_of(world)))


def counted(export: Export, people: list[Contributor]) -> Iterator[RowCounts]:
    """What masking these people would change in each version, by the one object whose glob means the key."""
    (item,) = [each for each in globs() if Glob(text=each.location).fits(export.key)]
    targets = TargetSet(
        batch_id="b-test",
        contributor_ids=frozenset(each.contributor_id for each in people),
        needles=tuple(
            Needle(contributor_id=each.contributor_id, kind="email", value=each.person.email)
            for each in people
        ),
    )
    codec = codec_of(export.key, item)
    assert codec is not None
    for body in export.versions:
        if body:
            yield codec.count(io.BytesIO(body), rules_for(item, targets))


def globs() -> list[InventoryObject]:
    return [item for item in kepler_inventory().of("s3") if item.rows is not None]


def test_every_glob_has_files_and_every_column_of_every_version_is_registered(
    world: World, exports: list[Export]
) -> None:
    for item in globs():
        assert any(Glob(text=item.location).fits(each.key) for each in exports), item.name
    found = [counts for each in exports for counts in counted(each, list(world.contributors))]
    assert all(counts.unregistered == () and counts.conflicts == 0 for counts in found)


def test_files_hold_targets_and_controls_and_some_hold_no_target(world: World, exports: list[Export]) -> None:
    inactive = [each for each in files_of(world) if each.inactive]
    counts = {each.key: list(counted(each, inactive)) for each in exports}
    for key, found in counts.items():
        if "answers-2" in key:
            assert all(one.to_mask == 0 < one.rows for one in found), key
        else:
            assert all(one.to_mask < one.rows for one in found), key
            assert found[0].to_mask, key
    # An older version names somebody whom the current one does not.
    assert any(len(found) == 2 and not found[1].to_mask for key, found in counts.items() if "feed" in key)


def test_names_stand_in_no_export_since_two_people_share_one(world: World, exports: list[Export]) -> None:
    feeds = [
        json.loads(line) for each in exports if "feed" in each.key for line in each.versions[0].splitlines()
    ]
    ids = {answer["workerId"] for feed in feeds for answer in feed["answers"]}
    assert ids == {each.contributor_id for each in files_of(world)}
    text = json.dumps(feeds, ensure_ascii=False)
    assert not any(each.person.full_name in text for each in world.contributors)


def test_the_same_exports_are_made_on_another_day_and_at_any_size(exports: list[Export]) -> None:
    another_day = generated_world(contributors=60, seed=3)
    assert list(exports_of(another_day, files_of(another_day))) == exports
    # Nobody has a part in the smallest worlds.
    tiny = generated_world(contributors=10, seed=3)
    assert [each.key.rpartition("/")[2] for each in exports_of(tiny, files_of(tiny))] == [
        each.key.rpartition("/")[2] for each in exports
    ]
