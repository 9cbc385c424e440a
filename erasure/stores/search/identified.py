"""Documents whose `_id` or routing is itself an email of a target: no update can change either.

Holds: `identified_in`, and the reason by which a plan names them.
Add here: another part of a document's metadata that names a person.
Keep out: fields of documents, which are masked (`masking.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from erasure.inventory import InventoryObject
from erasure.rules import Rule
from erasure.stores.search.server import SearchServer
from erasure.targets import TargetSet

IDENTIFIED = "an email as _id or routing, which no mask changes: rule delete, or reindex under other ids"
_AT_ONCE = 50_000


def identified_in(server: SearchServer, item: InventoryObject, targets: TargetSet, indices: str) -> int:
    """How many documents of these indices are named by a target's email; those of rule delete go as a whole.

    A contributor's id stays here as it does everywhere. An index finds ids by whole values alone, so an email is looked
    for in lower case and in capitals; verification, which reads every id, knows it in any case.
    """
    if item.rule is Rule.DELETE:
        return 0
    found = 0
    # Where one part of them is the `_id` and another the routing, a document is told of twice; never not at all.
    for emails in _in_parts(sorted({one for email in targets.emails if email for one in _spellings(email)})):
        query = {
            "bool": {
                "should": [{"ids": {"values": emails}}, {"terms": {"_routing": emails}}],
                "minimum_should_match": 1,
            }
        }
        body: dict[str, Any] = {"size": 0, "track_total_hits": True, "query": query}
        params = {"request_cache": "false", "expand_wildcards": "open,hidden"}
        found += int(server.search(indices, body, params)["hits"]["total"]["value"])
    return found


def _spellings(email: str) -> Iterator[str]:
    yield email
    yield email.upper()


def _in_parts(emails: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(emails), _AT_ONCE):
        yield emails[start : start + _AT_ONCE]
