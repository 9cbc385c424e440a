"""What may be told of a key of S3 in a plan: no key that holds a person.

Add here: another way in which a key can name somebody.
Keep out: what stands in the way of erasing (`tests/contract/test_s3_obstacles.py`).
"""

import pytest

from erasure.stores.s3.shared import names_somebody
from erasure.targets import Needle, TargetSet

ANN = "a0000000-0000-4000-8000-000000000001"
TARGETS = TargetSet(
    batch_id="b1",
    contributor_ids=frozenset({ANN}),
    needles=(
        Needle(contributor_id=ANN, kind="name", value="Ann Quostovan"),
        Needle(contributor_id=ANN, kind="phone", value="+1 555 0101"),
    ),
)


@pytest.mark.parametrize(
    "key",
    [
        "exports/ann-quostovan.csv",
        "exports/Ann_Quostovan/7.csv",
        "exports/ann%20quostovan.csv",
        "exports/1-555-0101.json",
        "exports/somebody.else@example.com.csv",
        "exports/somebody.else%40example.com.csv",
        f"exports/{ANN}.csv",
    ],
)
def test_a_key_that_holds_a_person_is_not_told(key: str) -> None:
    assert names_somebody(key, TARGETS)


@pytest.mark.parametrize(
    "key", ["exports/7/units.csv.gz", "exports/joann-quostovan.csv", "exports/15550.csv"]
)
def test_a_key_of_work_alone_is_told(key: str) -> None:
    assert not names_somebody(key, TARGETS)
