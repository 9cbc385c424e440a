"""Where a search server is and how one gets in, in the form that both libraries take.

Holds: `Access`, made from the settings by `access_of`.
Add here: another way of proving who asks.
Keep out: the libraries, and anything that connects.
"""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from erasure.settings import ElasticsearchSettings

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Access:
    """An address in its parts and what is sent along with every request; no credentials in the address."""

    scheme: str
    host: str
    port: int
    prefix: str
    headers: Mapping[str, str] = field(repr=False)
    tls: ssl.SSLContext | None = field(repr=False)


def access_of(settings: ElasticsearchSettings) -> Access:
    """Credentials leave the URL here: libraries would put it into their errors and logs."""
    parts = urlsplit(settings.url)
    headers = {}
    if parts.username is not None:
        headers["authorization"] = _basic(unquote(parts.username), unquote(parts.password or ""))
    return Access(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        prefix=parts.path.strip("/"),
        headers=headers,
        tls=_tls() if parts.scheme == "https" else None,
    )


def _basic(user: str, password: str) -> str:
    # Not by the libraries: one of them knows no letters beyond Latin-1.
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _tls() -> ssl.SSLContext:
    from opensearchpy import Connection

    # SSL_CERT_FILE or SSL_CERT_DIR, else certifi's.
    return ssl.create_default_context(cafile=Connection.default_ca_certs())
