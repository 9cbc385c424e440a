"""Keys found by cutting ids out of them are those that a template's pattern finds, key by key.

Add here: another short cut past the pattern.
Keep out: Redis' own patterns (`contract/test_redis_templates.py`), and the judge's (`test_parsers.py`).
"""

import re

from hypothesis import assume, example, given
from hypothesis import strategies as st

from erasure.stores.redis.templates import KeyTemplate, Wanted
from erasure.targets import TargetSet

parts = st.sampled_from(["", "a", "a:", "*:", ":", "é", "u1"])
ends = st.sampled_from(["", ":", ":*", ":*x", "é*", "é", "1*", "-*:"])
ids = st.sampled_from(["u1", "u2", "u10", "u-3", "x", "ab"])
tails = st.sampled_from(["", ":", "y", "\n", "1"])


@given(
    before=parts,
    after=ends,
    targets=st.frozensets(ids, min_size=1, max_size=4),
    named=st.lists(st.tuples(parts, ids, st.booleans(), ends, tails), max_size=8),
    form=st.sampled_from(["uuid", "text"]),
)
@example(
    before="a", after=":*", targets=frozenset({"u1"}), named=[("a", "u10", False, ":*", "")], form="text"
)
@example(before="a", after=":*", targets=frozenset({"u1"}), named=[("a", "u1", True, ":*", "")], form="uuid")
def test_the_keys_that_are_found_are_those_whose_owner_is_a_target(
    before: str,
    after: str,
    targets: frozenset[str],
    named: list[tuple[str, str, bool, str, str]],
    form: str,
) -> None:
    wanted = Wanted(TargetSet(batch_id="b1", contributor_ids=targets), form)
    template = KeyTemplate(f"{before}{{contributor_id}}{after}")
    assume(template.tells_apart(wanted))
    keys = [
        f"{start}{owner.upper() if is_upper else owner}{end}{tail}".replace("*", "q").encode()
        for start, owner, is_upper, end, tail in named
    ]
    end = re.escape(after.encode()[:1])
    owner = b"[^" + end + b"]+" if end else b".+"
    before_it, after_it = (
        re.escape(part.encode()).replace(re.escape(b"*"), b".*") for part in (before, after)
    )
    pattern = re.compile(before_it + b"(" + owner + b")" + after_it, re.DOTALL)

    expected = []
    for key in keys:
        match = pattern.fullmatch(key)
        found = match[1].decode("utf-8", "surrogateescape") if match else ""
        if (found.lower() if form == "uuid" else found) in targets:
            expected.append(key)

    assert template.names(keys, wanted) == expected
    assert [key for key, _ in template.owned(keys, wanted)] == expected
