"""What cannot be read is refused, and never passes for clean.

Holds: missing places, hidden rows, engines that are away, wrong credentials, batches that nobody is in.
Add here: another way in which an engine could look clean and is not.
Keep out: survivors that can be read (`test_expectations.py`).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from erasure.errors import BadInput, StoreError, StoreRefused, StoreUnavailable
from erasure.inventory import ALL_STORES, Inventory
from erasure.settings import Settings
from expectations.checkpoints import verify_all, verify_store
from expectations.readers.base import VerifiedBatch
from expectations.readers.batch import read_batch
from sandbox.supervisor import Sandbox
from tests.contract.expectations_world import (
    ANN,
    BATCH,
    CONTROL,
    EMAIL,
    INDEX,
    READERS,
    Judged,
    document,
    drop_world,
    make_world,
    read,
)
from tests.faults.doorman import Doorman
from tests.inventory_fixtures import kepler_inventory
from tests.search_proxies import ElasticFace


@pytest.fixture
def judged(sandbox: Sandbox) -> Iterator[Judged]:
    world = make_world(sandbox.config)
    yield world
    drop_world(world)


@pytest.fixture
def inventory() -> Inventory:
    return kepler_inventory()


def test_a_batch_that_nobody_belongs_to_is_refused(judged: Judged) -> None:
    with pytest.raises(BadInput, match="no targets"):
        read_batch(judged.settings, "b-unknown")
    judged.sql(
        "delete from erasure.targets where kind <> 'excluded'; update erasure.erased set restored_at = now()"
    )
    with pytest.raises(BadInput, match="no targets"):
        read_batch(judged.settings, BATCH)


def test_a_place_that_is_missing_is_refused_and_never_clean(judged: Judged, tmp_path: Path) -> None:
    judged.sql("drop table login_events; alter table payments rename column iban to iban2")
    judged.clickhouse("drop table app_events sync")
    for store, place in (
        ("postgres", "postgres/login_events"),
        ("clickhouse", "clickhouse/app_events"),
    ):
        with pytest.raises(StoreRefused, match=place):
            verify_store(judged.settings, kepler_inventory(), BATCH, store, tmp_path)
    judged.search("POST", f"{INDEX}/_close")
    verdict = verify_store(judged.settings, kepler_inventory(), BATCH, "elasticsearch", tmp_path)
    assert not verdict.success
    assert (verdict.survivors, verdict.not_erasable) == (0, 1)
    judged.search("POST", f"{INDEX}/_open")
    judged.search("DELETE", INDEX)
    with pytest.raises(StoreRefused, match="no index fits"):
        read(judged, "elasticsearch")
    no_bucket = _changed(judged.settings, "s3", bucket_name="judge-nothing-here")
    with pytest.raises(StoreRefused, match="NoSuchBucket"):
        READERS["s3"](no_bucket, kepler_inventory(), read_batch(judged.settings, BATCH))


def test_rows_hidden_by_row_security_are_refused_and_not_overlooked(judged: Judged) -> None:
    judged.sql(
        f"""
        update payments set iban = 'DE02' where payment_id = 1;
        alter table payments enable row level security;
        alter table payments force row level security;
        create policy own on payments using (contributor_id = '{CONTROL}')
        """
    )
    with pytest.raises(StoreRefused, match="postgres/payments"):
        read(judged, "postgres")


@pytest.mark.parametrize("store", ALL_STORES)
def test_a_store_that_does_not_answer_raises_and_fails_in_the_whole(
    judged: Judged, inventory: Inventory, tmp_path: Path, store: str
) -> None:
    away = _unreachable(judged.settings, store)
    batch = read_batch(judged.settings, BATCH)
    with pytest.raises(StoreUnavailable) as raised:
        READERS[store](away, inventory, batch)
    assert str(raised.value).startswith(store)
    if store == "redis":
        verdicts = {verdict.store: verdict for verdict in verify_all(away, inventory, BATCH, tmp_path)}
        assert [name for name, verdict in verdicts.items() if not verdict.success] == ["redis"]
        assert verdicts["redis"].failed[0].startswith("redis: could not be read")


def test_survivors_are_found_through_elastics_client_and_a_shut_door_is_told(judged: Judged) -> None:
    judged.search("PUT", f"{INDEX}/_doc/3", document((ANN, EMAIL)))
    batch = read_batch(judged.settings, BATCH)
    by_the_other = READERS["elasticsearch"](judged.settings, kepler_inventory(), batch)
    with (
        ElasticFace(judged.settings.elasticsearch.url) as face,
        Doorman(face.url) as door,
    ):
        right = _changed(judged.settings, "elasticsearch", url=door.url_for())
        assert READERS["elasticsearch"](right, kepler_inventory(), batch) == by_the_other
        assert sum(reading.survivors for reading in by_the_other) == len(["latest", "judgments"])
        assert face.spoken_by_elastics_client

        wrong = _changed(judged.settings, "elasticsearch", url=door.url_for(password="wrong-secret"))
        with pytest.raises(
            StoreUnavailable, match=r"could not be read.*401.*check \[elasticsearch\] url"
        ) as raised:
            READERS["elasticsearch"](wrong, kepler_inventory(), batch)
        assert "wrong-secret" not in str(raised.value)


def test_wrong_credentials_are_told_without_any_value(judged: Judged) -> None:
    for store, section, key in (
        ("postgres", "database", "password"),
        ("clickhouse", "clickhouse", "password"),
        ("redis", "redis", "password"),
    ):
        wrong = _changed(judged.settings, section, **{key: "wrong-secret"})
        with pytest.raises(StoreError) as raised:
            READERS[store](wrong, kepler_inventory(), VerifiedBatch(batch_id=BATCH, persons={ANN: ANN}))
        assert isinstance(raised.value, StoreUnavailable)
        assert "wrong-secret" not in str(raised.value)


def _changed(settings: Settings, section: str, **values: object) -> Settings:
    plain = {
        name: {
            key: value.get_secret_value() if hasattr(value, "get_secret_value") else value
            for key, value in dict(getattr(settings, name)).items()
        }
        for name in ("database", "clickhouse", "elasticsearch", "s3", "redis")
    }
    plain[section] |= values
    return Settings.model_validate(plain)


def _unreachable(settings: Settings, store: str) -> Settings:
    nowhere: dict[str, tuple[str, dict[str, object]]] = {
        "postgres": ("database", {"port": 1}),
        "clickhouse": ("clickhouse", {"port": 1}),
        "elasticsearch": ("elasticsearch", {"url": "http://127.0.0.1:1"}),
        "s3": ("s3", {"endpoint_url": "http://127.0.0.1:1"}),
        "redis": ("redis", {"port": 1}),
    }
    section, values = nowhere[store]
    return _changed(settings, section, **values)
