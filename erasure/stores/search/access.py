"""Where a search server is and how one gets in, in the form that both libraries take.

Holds: `Access`, made from the settings by `access_of`.
Add here: another way of proving who asks.
Keep out: the libraries, and anything that connects.
"""

import base64
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from erasure.errors import safe_reason
from erasure.store_settings import ElasticsearchSettings
from erasure.stores.search.client import SearchError, Trouble

_PORTS = {"http": 80, "https": 443}
# Method, URL and body of a request -> the headers that sign it.
Signer = Callable[[str, str, Any], Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Access:
    """An address in its parts and what is sent along with every request; no credentials in the address.

    `sign`: of AWS; there is no other proof in `headers` then.
    """

    scheme: str
    host: str
    port: int
    prefix: str
    headers: Mapping[str, str] = field(repr=False)
    sign: Signer | None = field(repr=False)
    tls: ssl.SSLContext | None = field(repr=False)


def access_of(settings: ElasticsearchSettings) -> Access:
    """Credentials leave the URL here: libraries would put it into their errors and logs.

    Raises SearchError where a certificate or the keys of AWS are not to be had.
    """
    parts = urlsplit(settings.url)
    proof = _proof(settings)
    return Access(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        prefix=parts.path.strip("/"),
        headers={"authorization": proof} if proof else {},
        sign=_signer(settings.aws_region, settings.aws_service) if settings.aws_region else None,
        tls=_tls(settings.ca_certs) if parts.scheme == "https" else None,
    )


def _proof(settings: ElasticsearchSettings) -> str | None:
    parts = urlsplit(settings.url)
    if settings.api_key is not None:
        key = settings.api_key.get_secret_value()
        # Servers take ID:KEY in base64, which is also how they give it out.
        return f"ApiKey {_base64(key) if ':' in key else key}"
    if settings.username is not None:
        return _basic(settings.username, settings.password)
    if parts.username is not None:
        return _basic(unquote(parts.username), SecretStr(unquote(parts.password or "")))
    return None


def _basic(user: str, password: SecretStr | None) -> str:
    # Not by the libraries: one of them knows no letters beyond Latin-1.
    return "Basic " + _base64(f"{user}:{password.get_secret_value() if password else ''}")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _signer(region: str, service: str) -> Signer:
    """Signs with keys from where boto3 finds them, and with newer ones when those have expired."""
    from boto3.session import Session
    from botocore.exceptions import BotoCoreError
    from opensearchpy import Urllib3AWSV4SignerAuth

    try:
        credentials = Session().get_credentials()
    except BotoCoreError as error:
        raise _unusable(f"the keys of AWS cannot be read ({safe_reason(error)})", _KEYS) from None
    if credentials is None:
        raise _unusable("there are no keys of AWS to sign with", _KEYS)
    signer: Signer = Urllib3AWSV4SignerAuth(credentials, region, service)
    return signer


_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or take aws_region out of [elasticsearch]"


def _tls(authorities: Path | None) -> ssl.SSLContext:
    from opensearchpy import Connection

    try:
        # SSL_CERT_FILE or SSL_CERT_DIR, else certifi's.
        usual = Connection.default_ca_certs() or ""
        named = authorities or Path(usual)
        if named.is_dir():
            return ssl.create_default_context(capath=named)
        return ssl.create_default_context(cafile=named)
    except OSError as error:
        what = f"{authorities or 'the file that SSL_CERT_FILE names'} holds no certificates ({safe_reason(error)})"
        raise _unusable(what, "name a file in PEM by [elasticsearch] ca_certs") from None


def _unusable(reason: str, remedy: str) -> SearchError:
    return SearchError(Trouble.UNUSABLE, reason=reason, remedy=remedy)
