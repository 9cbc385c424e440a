"""What may be told of a key of S3 in a plan: no key that holds a person, whether or not that person is a target.

Add here: another way in which a key can name somebody.
Keep out: what stands in the way of erasing (`tests/contract/test_s3_obstacles.py`).
"""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasure.stores.s3.listing import Version
from erasure.stores.s3.naming import names_nobody, shown
from erasure.targets import Needle, TargetSet
from tests.inventory_fixtures import rows_inventory

ANN = "a0000000-0000-4000-8000-000000000001"
TARGETS = TargetSet(
    batch_id="b1",
    contributor_ids=frozenset({ANN}),
    needles=(
        Needle(contributor_id=ANN, kind="name", value="Ann Quostovan"),
        Needle(contributor_id=ANN, kind="phone", value="+1 555 0101"),
        Needle(contributor_id=ANN, kind="phone", value="55-01"),
    ),
)
(ITEM,) = rows_inventory(
    {"glob": "exports/**/units*.csv", "subject": {"contributor_id": "worker", "email": "mail"}},
    ("mail", {"rule": "constant"}),
).of("s3")


@pytest.mark.parametrize(
    "key",
    [
        "exports/ann-quostovan.csv",
        "exports/Ann_Quostovan/7.csv",
        "exports/ann%20quostovan.csv",
        "exports/1-555-0101.csv",
        "exports/55/01.csv",
        f"exports/{ANN}.csv",
    ],
)
def test_a_key_that_holds_a_target_is_not_told(key: str) -> None:
    assert not names_nobody(key, ITEM, TARGETS)


@pytest.mark.parametrize(
    "key",
    [
        "exports/somebody.else@example.com.csv",
        "exports/somebody.else%40example.com.csv",
        "exports/bo-smith/units.csv",
        "exports/units-Bo.csv",
        "exports/Бо/units.csv",
        "exports/15550199.csv",
        "exports/1-555-0199/units.csv",
        "exports/b0000000-0000-4000-8000-000000000002/units.csv",
        "exports/00000000-0000-4000-8000-000000000002/units.csv",
    ],
)
def test_a_key_that_holds_somebody_else_is_not_told(key: str) -> None:
    assert not names_nobody(key, ITEM, TARGETS)


@pytest.mark.parametrize(
    "key",
    [
        "exports/7/units.csv.gz",
        "exports/2026/05/01/units-00017.csv",
        "exports/2026-05-01/units_3.csv",
        "exports/units.csv",
    ],
)
def test_a_key_of_words_of_the_inventory_numbers_and_dates_is_told(key: str) -> None:
    assert names_nobody(key, ITEM, TARGETS)
    assert shown(Version(key=key, version_id="v", etag='"e7a9"'), ITEM, TARGETS) == key


def test_where_ids_are_numbers_no_number_is_told() -> None:
    numbered = replace(TARGETS, contributor_ids=frozenset({"17"}))
    assert not names_nobody("exports/18/units.csv", ITEM, numbered)
    assert names_nobody("exports/units.csv", ITEM, numbered)


def test_what_is_not_told_by_key_is_told_by_its_etag() -> None:
    version = Version(key="exports/bo-smith.csv", version_id="v", etag='"e7a9"')
    assert shown(version, ITEM, TARGETS) == "ETag e7a9"


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12), st.uuids(), st.emails())
def test_no_word_that_the_inventory_has_not_is_ever_told(word: str, someone: UUID, email: str) -> None:
    known = {"exports", "units", "csv", "thing", "worker", "mail"}
    for text in (f"x{word}", str(someone), email):
        if text.lower() not in known:
            assert not names_nobody(f"exports/{text}/units.csv", ITEM, TARGETS)
