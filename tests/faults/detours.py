"""Configurations that lead a store elsewhere, and what must be left after a command that was led astray.

Holds: where a store is, variants of a flow's configuration, plans and needles that are still there, what was said and
written.
Add here: another look at what a failed command may have left.
Keep out: what stands at the other end (`gate.py`, `strangers.py`), and the platform's records (`integration/raw_look`).
"""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

from tests.flow_fixtures import Answer, Flow
from tests.integration.raw_look import Snapshot

Changes = dict[tuple[str, str], str]
_SECRETS = frozenset({"password", "api_key", "aws_secret_access_key", "job_url", "hash_key"})


def section_of(store: str) -> str:
    return "database" if store == "postgres" else store


def address(flow: Flow, store: str) -> tuple[str, int]:
    """Where a store is according to the configuration."""
    match store:
        case "elasticsearch":
            url = flow.setting("elasticsearch", "url")
        case "s3":
            url = flow.setting("s3", "endpoint_url")
        case _:
            section = section_of(store)
            return flow.setting(section, "host"), int(flow.setting(section, "port"))
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


def to_port(store: str, port: int, *, scheme: str = "http") -> Changes:
    """What has to change in the configuration so that a store is at another port."""
    match store:
        case "elasticsearch":
            return {("elasticsearch", "url"): f"{scheme}://127.0.0.1:{port}"}
        case "s3":
            return {("s3", "endpoint_url"): f"{scheme}://127.0.0.1:{port}"}
        case _:
            section = section_of(store)
            return {(section, "host"): "127.0.0.1", (section, "port"): str(port)}


def led_to(flow: Flow, store: str, port: int) -> Path:
    """A configuration in which a store is at another port."""
    return flow.variant(to_port(store, port))


def has_ledger(flow: Flow) -> bool:
    (found,) = flow.sql("select to_regclass('erasure.batches') is not null as there")
    return bool(found["there"])


def plans_in_force(flow: Flow) -> list[dict[str, Any]]:
    """Plans that could be executed."""
    if not has_ledger(flow):
        return []
    return flow.sql(
        "select batch_id from erasure.batches where state = 'planned' and fingerprint is not null"
    )


def needles(flow: Flow) -> int:
    """Rows of the target sets in PostgreSQL."""
    return int(flow.sql("select count(*) from erasure.targets")[0]["count"]) if has_ledger(flow) else 0


def needles_carried_over(after: Snapshot) -> list[str]:
    """Places of the target sets in ClickHouse."""
    return [place.key for place in after.of("clickhouse", "erasure.")]


def leaked(flow: Flow, answer: Answer, *more: str) -> list[str]:
    """Where a secret of a configuration or a value of a person stands in what a command said or wrote: a place each.

    The values themselves are not repeated.
    """
    secrets = {value: "a secret" for value in more}
    ini = configparser.RawConfigParser()
    ini.read_string(flow.config.read_text(encoding="utf-8"))
    for section in ini.sections():
        secrets |= {value: "a secret" for key, value in ini.items(section) if key in _SECRETS}
    secrets |= {value: "a person's value" for person in flow.people.values() for value in person.values}
    wanted = {value.encode(): what for value, what in secrets.items() if value}
    written = {str(path): path.read_bytes() for path in flow.var.rglob("*") if path.is_file()}
    texts = {"what was said": answer.said.encode(), **written}
    return [f"{what} in {place}" for place, text in texts.items() for v, what in wanted.items() if v in text]
