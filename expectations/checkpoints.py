"""Verifies a batch: fresh readings of a store, judged by Great Expectations, published as Data Docs.

Holds: `verify_store`, `verify_all`, and the verdict they return.
Add here: a sixth store's reader, in `_readers`.
Keep out: how a store is read (`readers/`), what is expected of it (`suites.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from erasure.errors import StoreError
from erasure.inventory import Inventory
from erasure.settings import Settings
from expectations.context import SITE, batch_context, site_index, site_lock
from expectations.readers.base import FieldReading, Reader, VerifiedBatch, judged_places, unjudged_places
from expectations.readers.batch import read_batch
from expectations.suites import Evidence, missing_masked, places_frame, store_suite, unaccepted

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult

# The frame holds counts alone, and none of its rows is shown all the same.
_RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}


@dataclass(frozen=True, kw_only=True)
class StoreVerdict:
    """What was found in a store. Counts and names of places only.

    not_erasable: survivors that nobody can erase and that were accepted; they fail nothing.
    unjudged: places about which nothing can be said any more, since the batch has expired.
    failed: one sentence for each thing that is wrong.
    docs_url: the index page of the batch's Data Docs.
    readings: every place with its counts, as judged.
    """

    store: str
    success: bool
    survivors: int
    masked: int
    not_erasable: int
    unjudged: tuple[str, ...]
    failed: tuple[str, ...]
    docs_url: str
    readings: tuple[FieldReading, ...] = ()


def verify_store(
    settings: Settings,
    inventory: Inventory,
    batch_id: str,
    store: str,
    docs_dir: Path,
    expected_masked: Mapping[str, int] | None = None,
    accepted: Mapping[str, int] | None = None,
) -> StoreVerdict:
    """Reads a store afresh and judges it; adds the result to the batch's Data Docs.

    `expected_masked`: place with its values, or object with its records, as the ledger has them.
    `accepted`: object with the number of what nobody can erase, as the ledger has it.
    Raises StoreUnavailable or StoreRefused where a place cannot be read, BadInput for an unknown batch.
    """
    batch = read_batch(settings, batch_id)
    return _verify(settings, inventory, batch, store, docs_dir, expected_masked or {}, accepted or {})


def verify_all(
    settings: Settings,
    inventory: Inventory,
    batch_id: str,
    docs_dir: Path,
    expected_masked: Mapping[str, Mapping[str, int]] | None = None,
    accepted: Mapping[str, Mapping[str, int]] | None = None,
) -> tuple[StoreVerdict, ...]:
    """Every store that the inventory names. One that cannot be read fails; the others are still judged.

    `expected_masked`, `accepted`: the same as for `verify_store`, by store.
    """
    batch = read_batch(settings, batch_id)
    verdicts = []
    for store in inventory.stores:
        expected = (expected_masked or {}).get(store, {})
        try:
            left = (accepted or {}).get(store, {})
            verdicts.append(_verify(settings, inventory, batch, store, docs_dir, expected, left))
        except StoreError as error:
            verdicts.append(
                StoreVerdict(
                    store=store,
                    success=False,
                    survivors=0,
                    masked=0,
                    not_erasable=0,
                    unjudged=unjudged_places(inventory, store, batch),
                    failed=(str(error),),
                    docs_url=site_index(docs_dir).as_uri(),
                )
            )
    return tuple(verdicts)


def _verify(
    settings: Settings,
    inventory: Inventory,
    batch: VerifiedBatch,
    store: str,
    docs_dir: Path,
    expected_masked: Mapping[str, int],
    accepted: Mapping[str, int],
) -> StoreVerdict:
    unjudged = unjudged_places(inventory, store, batch)
    evidence = Evidence(
        batch_id=batch.batch_id,
        store=store,
        readings=tuple(_readers()[store](settings, inventory, batch)),
        places=judged_places(inventory, store, batch),
        unjudged=unjudged,
        expected_masked=_still_to_be_seen(expected_masked, unjudged),
        accepted=accepted,
    )
    result = judge(evidence, docs_dir)
    failed = _sentences(evidence)
    if not result.success and not failed:
        failed = (f"{store}: {result.statistics['unsuccessful_expectations']} expectations failed",)
    return StoreVerdict(
        store=store,
        success=bool(result.success),
        survivors=sum(reading.survivors for reading in evidence.readings),
        masked=sum(reading.masked for reading in evidence.readings),
        not_erasable=_not_erasable(evidence.readings),
        unjudged=unjudged,
        failed=failed,
        docs_url=site_index(docs_dir).as_uri(),
        readings=evidence.readings,
    )


def _not_erasable(readings: Sequence[FieldReading]) -> int:
    # Every field of an object tells of the same records.
    most: dict[str, int] = {}
    for reading in readings:
        most[reading.object] = max(most.get(reading.object, 0), reading.not_erasable)
    return sum(most.values())


def _still_to_be_seen(expected_masked: Mapping[str, int], unjudged: Sequence[str]) -> Mapping[str, int]:
    # Where a field of an object is not read, a record may have been changed in that field alone.
    dropped = {*unjudged, *(name.partition(".")[0] for name in unjudged)}
    return {name: number for name, number in expected_masked.items() if name not in dropped}


def judge(evidence: Evidence, docs_dir: Path) -> "ExpectationSuiteValidationResult":
    """Runs the store's suite over the readings and publishes the result."""
    context = batch_context(docs_dir)
    # After the context, which says how the library is to be imported.
    from great_expectations import Checkpoint, ValidationDefinition
    from great_expectations.checkpoint.actions import UpdateDataDocsAction
    from great_expectations.core.run_identifier import RunIdentifier

    store = evidence.store
    suite = context.suites.add(store_suite(evidence))
    asset = context.data_sources.add_pandas(store).add_dataframe_asset("places")
    data = asset.add_batch_definition_whole_dataframe("fresh")
    definition = context.validation_definitions.add(ValidationDefinition(name=store, data=data, suite=suite))
    checkpoint = context.checkpoints.add(
        Checkpoint(
            name=store,
            validation_definitions=[definition],
            result_format=_RESULT_FORMAT,
            actions=[UpdateDataDocsAction(name="publish", site_names=[SITE])],
        )
    )
    frame = places_frame(evidence)
    with site_lock(docs_dir):
        outcome = checkpoint.run({"dataframe": frame}, run_id=RunIdentifier(run_name=evidence.batch_id))
    (result,) = outcome.run_results.values()
    return result


def _sentences(evidence: Evidence) -> tuple[str, ...]:
    read = {reading.place for reading in evidence.readings}
    missing = {name: number for name, number in missing_masked(evidence).items() if number}
    beyond = {name: number for name, number in unaccepted(evidence).items() if number}
    return (
        *(f"{one.place}: {_survivors(one.survivors)}" for one in evidence.readings if one.survivors),
        *(f"{name}: {number} masked values fewer than were made" for name, number in missing.items()),
        *(
            f"{name}: {number} that nobody can erase, and nobody has accepted"
            for name, number in beyond.items()
        ),
        *(f"{name}: was not read" for name in evidence.places if name not in read),
    )


def _survivors(number: int) -> str:
    return "1 survivor" if number == 1 else f"{number} survivors"


def _readers() -> Mapping[str, Reader]:
    from expectations.readers.clickhouse import read_clickhouse
    from expectations.readers.postgres import read_postgres
    from expectations.readers.redis import read_redis
    from expectations.readers.s3 import read_s3
    from expectations.readers.search import read_search

    return {
        "postgres": read_postgres,
        "clickhouse": read_clickhouse,
        "elasticsearch": read_search,
        "s3": read_s3,
        "redis": read_redis,
    }
