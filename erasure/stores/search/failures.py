"""What a search engine's refusals mean to a person: store, object, index, remedy, and nothing of the request.

Add here: a kind of refusal with its sentence.
Keep out: the texts of the engine. They repeat ids of documents, values and whole queries.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from erasure.errors import StoreError, StoreRefused, StoreUnavailable
from erasure.stores.search.client import SearchError, Trouble

STORE = "elasticsearch"
CHECK_URL = "check [elasticsearch] url, its user and password or other keys, and that the server runs"
# What engines say of a shard that nobody has, or that does not answer.
MISSING_SHARD = "no_shard_available_action_exception"
_KIND = re.compile(r"^[a-z_]+$")
_UNAUTHORIZED = 401
_TOO_LARGE = 413
_TOO_MANY = 429


@dataclass(frozen=True, kw_only=True)
class _Sentence:
    what: str
    remedy: str
    raises: type[StoreError] = StoreRefused


_MAPPING = _Sentence(
    what="the mapping of {index} does not take the masked value",
    remedy="change the mapping, or the field's rule in the inventory, then resume",
)
_BUSY = _Sentence(
    what="the server is overloaded at {index}", remedy="wait, then resume", raises=StoreUnavailable
)
_LOST = _Sentence(
    what="a shard of {index} does not answer",
    remedy="see why by GET _cluster/allocation/explain, bring it back or delete that index, then resume",
)
# The engine's word for an error -> what is said of it.
_SENTENCES: Mapping[str, _Sentence] = {
    "cluster_block_exception": _Sentence(
        what="{index} is blocked",
        remedy="free disk space or remove the index.blocks settings of that index, then resume",
    ),
    "index_closed_exception": _Sentence(
        what="{index} is closed", remedy="open it, or delete it, then resume"
    ),
    "index_not_found_exception": _Sentence(
        what="{index} does not exist", remedy="check the index pattern in the inventory, then resume"
    ),
    "mapper_parsing_exception": _MAPPING,
    "document_parsing_exception": _MAPPING,
    "strict_dynamic_mapping_exception": _MAPPING,
    "illegal_argument_exception": _Sentence(
        what="the server does not take the request for {index}",
        remedy="check that inline Painless scripts are allowed (script.allowed_types) "
        "and that the mapping takes the masked value, then resume",
    ),
    MISSING_SHARD: _LOST,
    "search_phase_execution_exception": _LOST,
    "unavailable_shards_exception": _LOST,
    "circuit_breaking_exception": _BUSY,
    "es_rejected_execution_exception": _BUSY,
    "rejected_execution_exception": _BUSY,
    "security_exception": _Sentence(
        what="the configured user may not do this to {index}",
        remedy="let the user of [elasticsearch] url read, update, flush and merge the indices of the inventory",
    ),
}


def refusal(kind: str, *, index: str | None, object_name: str | None, status: object = None) -> StoreError:
    """The error for the engine's own word of what went wrong."""
    place = f"index {index}" if index else "an index"
    sentence = _SENTENCES.get(kind, _BUSY if status == _TOO_MANY else None)
    if sentence is None:
        # Only a plain word is repeated: whatever else stands in the place of a kind may hold a value.
        word = kind if _KIND.match(kind) else "an error"
        what = f"the server answered {word} for {{index}}"
        sentence = _Sentence(what=what, remedy="see the server's log, then resume")
    return sentence.raises(
        store=STORE, object_name=object_name, what=sentence.what.format(index=place), remedy=sentence.remedy
    )


def translated(error: SearchError, object_name: str | None) -> StoreError:
    """An error of a client in a sentence."""
    remedy = CHECK_URL
    match error.trouble:
        case Trouble.LATE:
            what = "the server did not answer in time"
        case Trouble.UNTRUSTED:
            what = f"the server's certificate is not trusted: {error.reason}"
            remedy = "check https in [elasticsearch] url and its host, or name the authority's PEM file in ca_certs"
        case Trouble.NO_TLS:
            what = f"the server does not speak TLS ({error.reason})"
            remedy = "check https in [elasticsearch] url and its port"
        case Trouble.UNUSABLE:
            return StoreRefused(store=STORE, object_name=object_name, what=error.reason, remedy=error.remedy)
        case Trouble.UNREACHABLE:
            what = f"the server cannot be reached ({error.reason})"
        case Trouble.SHUT:
            what = f"the server lets nobody in ({error.status})"
        case Trouble.NO_SEARCH_SERVER:
            what = "what answers is not a search server" + (f" ({error.reason})" if error.reason else "")
        case Trouble.ANSWERED:
            return _answered(error, object_name)
    return StoreUnavailable(store=STORE, object_name=object_name, what=what, remedy=remedy)


def _answered(error: SearchError, object_name: str | None) -> StoreError:
    if error.status == _UNAUTHORIZED:
        what = "the server does not accept the credentials (401)"
    elif error.status == _TOO_LARGE:
        return StoreRefused(
            store=STORE,
            object_name=object_name,
            what="the batch is too large for one request",
            remedy="raise http.max_content_length, or split the batch",
        )
    elif error.kind:
        return refusal(error.kind, index=error.index, object_name=object_name, status=error.status)
    else:
        what = f"the server answered {error.status}"
    return StoreUnavailable(store=STORE, object_name=object_name, what=what, remedy=CHECK_URL)


@contextmanager
def speaking_of(object_name: str | None) -> Iterator[None]:
    """Turns a client's error into ours; `from None`, since a chained one would print requests."""
    try:
        yield
    except SearchError as error:
        raise translated(error, object_name) from None
