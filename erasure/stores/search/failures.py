"""What a search engine's refusals mean to a person: store, object, index, remedy, and nothing of the request.

Add here: a kind of refusal with its sentence.
Keep out: the texts of the engine. They repeat ids of documents, values and whole queries.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opensearchpy import exceptions

from erasure.errors import StoreError, StoreRefused, StoreUnavailable, safe_reason

STORE = "elasticsearch"
CHECK_URL = "check [elasticsearch] url, its user and password, and that the server runs"
_KIND = re.compile(r"^[a-z_]+$")
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


def translated(error: Exception, object_name: str | None) -> StoreError:
    """An exception of the client as one of ours, without its text."""
    if isinstance(error, exceptions.ConnectionTimeout):
        what = "the server did not answer in time"
    elif isinstance(error, exceptions.SSLError):
        return StoreUnavailable(
            store=STORE,
            object_name=object_name,
            what=f"the server's certificate is not trusted, or it does not speak TLS ({safe_reason(error)})",
            remedy="check https in [elasticsearch] url, or name the file of its authority by SSL_CERT_FILE",
        )
    elif isinstance(error, exceptions.ConnectionError):
        what = f"the server cannot be reached ({safe_reason(error)})"
    elif isinstance(error, exceptions.AuthenticationException):
        what = "the server does not accept the credentials (401)"
    elif not isinstance(error, exceptions.TransportError):
        what = f"what answers is not a search server ({safe_reason(error)})"
    elif error.status_code == _TOO_LARGE:
        return StoreRefused(
            store=STORE,
            object_name=object_name,
            what="the batch is too large for one request",
            remedy="raise http.max_content_length, or split the batch",
        )
    else:
        kind, index = _cause(error.info)
        if kind:
            return refusal(kind, index=index, object_name=object_name, status=error.status_code)
        what = f"the server answered {error.status_code}"
    return StoreUnavailable(store=STORE, object_name=object_name, what=what, remedy=CHECK_URL)


def _cause(info: Any) -> tuple[str, str | None]:
    """The innermost cause that names a kind: what is around it ("all shards failed") says nothing."""
    error = info.get("error") if isinstance(info, Mapping) else None
    if not isinstance(error, Mapping):
        return "", None
    roots = [root for root in error.get("root_cause") or () if isinstance(root, Mapping)]
    chosen = next((root for root in roots if root.get("type")), error)
    return str(chosen.get("type") or ""), chosen.get("index")


@contextmanager
def speaking_of(object_name: str | None) -> Iterator[None]:
    """Turns the client's exceptions into ours; `from None`, since a chained one would print requests."""
    try:
        yield
    except (exceptions.OpenSearchException, exceptions.ImproperlyConfigured) as error:
        raise translated(error, object_name) from None
