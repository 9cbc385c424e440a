"""What tests of rows inside objects share: people, rules made from an inventory, and one pass over bytes.

Add here: a helper that tests of several formats use.
Keep out: tests, and anything of one format.
"""

import io
from typing import Any

from hypothesis import strategies as st

from erasure.rules import MASK
from erasure.stores.s3.rows.base import Codec, RowCounts, RowRules, rules_for
from erasure.stores.s3.rows.codecs import codec_of
from erasure.targets import Needle, TargetSet
from tests.inventory_fixtures import rows_inventory

TARGET = "5a0c2c52-9f4e-4c3c-8f0e-0d6a2f3b1c11"
CONTROL = "11111111-9f4e-4c3c-8f0e-0d6a2f3b1c11"
ANN = "ann@example.com"
BOB = "bob@example.com"
TARGETS = TargetSet(
    batch_id="b20261124T120000Z-aaaaaa",
    contributor_ids=frozenset({TARGET, "17"}),
    salts={TARGET: "salt"},
    needles=(
        Needle(contributor_id=TARGET, kind="email", value=ANN),
        Needle(contributor_id=TARGET, kind="name", value="Ann Quostovan"),
    ),
)
SUBJECT = {"contributor_id": "id", "email": "email"}
KEPT = {"rule": "keep", "reason": "work product"}
FLAT = (("email", {"rule": "constant"}), ("label", KEPT))

ids = st.sampled_from([TARGET, TARGET.upper(), f" {TARGET}", CONTROL, f"{TARGET}0", "", "17", "17.0", "170"])
emails = st.sampled_from(
    [ANN, "ANN@Example.com ", BOB, MASK, f"{MASK}-x", "", "joann@example.com", 'q"uote@example.com']
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=12)


def is_of_target(contributor_id: str | None, email: str | None) -> bool:
    """The rule of subjects once more, in other words: the id decides, the email only without one; or a mask."""
    written = (contributor_id or "").strip()
    if written.lower() == TARGET or written in {"17", "17.0"}:
        return True
    if (email or "").startswith(MASK):
        return True
    return not written and (email or "").strip().lower() == ANN


def prepared(key: str, *columns: tuple[str, dict[str, Any]], **meta: Any) -> tuple[Codec, RowRules]:
    """The codec and the rules of a key, by a glob of the same name; flat columns and a subject where none are given."""
    declared = {"glob": key} | ({} if columns and "subject" not in meta else {"subject": SUBJECT}) | meta
    found = columns or (() if meta.get("rule") else FLAT)
    item = rows_inventory(declared, *found).of("s3")[0]
    codec = codec_of(key, item)
    assert codec is not None
    return codec, rules_for(item, TARGETS)


def rewritten(codec: Codec, raw: bytes, rules: RowRules) -> tuple[bytes, RowCounts]:
    """What a pass writes, after the promises of every pass: it counts the same, and a second one changes nothing."""
    sink = io.BytesIO()
    counts = codec.rewrite(io.BytesIO(raw), sink, rules)
    assert codec.count(io.BytesIO(raw), rules) == counts
    result = sink.getvalue()
    assert codec.count(io.BytesIO(result), rules).to_mask == 0
    again = io.BytesIO()
    codec.rewrite(io.BytesIO(result), again, rules)
    if not codec.needs_seek:
        assert again.getvalue() == result
    return result, counts
