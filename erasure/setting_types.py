"""Types of single settings: what a host, a URL or an API key looks like, and what is said of one that does not.

Add here: a form that several keys have, or that one key needs more than a line for.
Keep out: sections and keys (`settings.py`), and values in any sentence: half of them are secrets.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr
from pydantic import Field as Setting
from pydantic_core import PydanticCustomError

_IPV6 = 6


def _host(text: str) -> str:
    # libpq takes the folder of a socket for a host.
    if text.startswith("/") and not re.search(r"\s", text):
        return text
    if re.search(r"[\s/@?#;\\]", text) or (":" in text and not _is_ipv6(text)):
        raise PydanticCustomError("host", "expected a host name alone, without scheme, port or credentials")
    return text


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == _IPV6
    except ValueError:
        return False


def _url(text: str) -> str:
    expected = PydanticCustomError("url", "expected http://HOST:PORT or https://HOST:PORT")
    try:
        parts = urlsplit(text)
        whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise expected from None
    if not whole or re.search(r"\s", text) or parts.query or parts.fragment:
        raise expected
    return text


def _url_without_credentials(text: str) -> str:
    if "@" in urlsplit(_url(text)).netloc:
        raise PydanticCustomError("url", "expected a URL without credentials")
    return text


def _api_key(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", key.get_secret_value()):
        raise PydanticCustomError("api_key", "expected an API key as it was given out, or ID:KEY")
    return key


def _user(name: str) -> str:
    # Basic authentication sends `user:password`.
    if ":" in name:
        raise PydanticCustomError("user", "expected a user name without a colon")
    return name


def _aws_region(name: str) -> str:
    if not re.fullmatch(r"[a-z]+(-[a-z]+)+-[0-9]+", name):
        raise PydanticCustomError("aws_region", "expected a region such as eu-central-1")
    return name


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise PydanticCustomError(
            "path", "begins with a home that does not exist; write the whole path"
        ) from None


Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Setting(ge=1, le=65_535)]
Url = Annotated[str, AfterValidator(_url_without_credentials)]
# Credentials for a search engine may stand in its URL, so no representation may show it.
UrlWithCredentials = Annotated[str, AfterValidator(_url), Setting(repr=False)]
User = Annotated[str, AfterValidator(_user)]
AwsRegion = Annotated[str, AfterValidator(_aws_region)]
# As a header carries it: anything else would be refused by a library, with the key in its words.
ApiKey = Annotated[SecretStr, AfterValidator(_api_key)]
ExpandedPath = Annotated[Path, AfterValidator(_expanded)]
