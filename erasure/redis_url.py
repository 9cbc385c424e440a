"""A URL of Redis, and an address of one of its nodes, as parts.

Holds: `redis_url_parts`, `address_of`, `ELSEWHERE`.
Add here: another form in which people write where their Redis is.
Keep out: the section of the configuration that these become (`store_settings.py`), and connecting.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

# What a URL says of every key that it speaks of, where it does not say it.
ELSEWHERE: Mapping[str, Any] = {"port": 6379, "db": 0, "tls": False, "cluster": False, "nodes": ""}
_REDIS_URL = re.compile(
    r"redis(?P<tls>s?)(?P<cluster>\+cluster)?://(?:(?P<username>[^:@/]*)(?::(?P<password>[^@/]*))?@)?"
    r"(?P<nodes>[^@/\s]+)(?:/(?P<db>[0-9]*))?"
)


def redis_url_parts(url: str) -> dict[str, Any] | None:
    """The keys of [redis] that a URL stands for; None where it is none."""
    match = _REDIS_URL.fullmatch(url.strip())
    if match is None:
        return None
    nodes = [address_of(node) for node in match["nodes"].split(",")]
    if None in nodes or (len(nodes) > 1 and not match["cluster"]):
        return None
    (host, port), *more = (node for node in nodes if node is not None)
    parts: dict[str, Any] = {
        "host": host,
        "port": port,
        "db": int(match["db"] or 0),
        "tls": bool(match["tls"]),
        "cluster": bool(match["cluster"]),
        "nodes": ",".join(
            f"[{name}]:{number}" if ":" in name else f"{name}:{number}" for name, number in more
        ),
    }
    credentials = {key: unquote(match[key]) for key in ("username", "password") if match[key]}
    return parts | credentials


def address_of(node: str) -> tuple[str, int] | None:
    """Host and port; None where it is no address."""
    match = re.fullmatch(
        r"(?P<host>\[[0-9A-Fa-f:]+\]|[^:\s\[\]/@?#]+)(?::(?P<port>[0-9]{1,5}))?", node.strip()
    )
    if match is None or not 0 < int(match["port"] or 6379) <= 65_535:
        return None
    return match["host"].strip("[]"), int(match["port"] or 6379)
