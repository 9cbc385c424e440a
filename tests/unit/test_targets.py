"""The frozen set and the id of its batch: neither says anything of anybody."""

from datetime import UTC, datetime

import pytest

from erasure.errors import BadInput
from erasure.targets import Needle, TargetSet, mint_batch_id, require_batch_id

A = "5a0c2c52-9f4e-4c3c-8f0e-0d6a2f3b1c11"


def test_batch_ids_are_opaque_and_sort_by_time() -> None:
    early = mint_batch_id(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert early.startswith("b20260102T030405Z-")
    assert early < mint_batch_id(datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC))
    assert mint_batch_id() != mint_batch_id()


@pytest.mark.parametrize(
    "name", ["", "b1", "x' or '1'='1", "b20260102T030405Z-abcdef'", "B20260102T030405Z-abcdef"]
)
def test_only_batch_ids_as_we_mint_them_pass(name: str) -> None:
    minted = mint_batch_id()
    assert require_batch_id(minted) == minted
    with pytest.raises(BadInput, match="is no batch id such as"):
        require_batch_id(name)


def test_a_target_set_shows_nobody() -> None:
    targets = TargetSet(
        batch_id="b1",
        contributor_ids=frozenset({A}),
        needles=(Needle(contributor_id=A, kind="email", value="ann@example.com"),),
    )
    assert repr(targets) == "TargetSet(batch_id='b1', contributors=1)"
    assert "ann" not in f"{targets.needles[0]!r}{targets!s}"
    assert targets.emails == {"ann@example.com": A}
