"""What users look at by hand after a deletion: two questions over HTTP, to the engines themselves.

Holds: the searches for `DELETED_USER` in the search indices and in ClickHouse.
Add here: another of the checks that users make with curl.
Keep out: the product, whose word is what is being checked.
"""

from __future__ import annotations

import httpx

from sandbox.config import SandboxConfig

MASK = "DELETED_USER"


def masked_documents(config: SandboxConfig) -> int:
    """Documents of the project indices whose latest worker is the mask."""
    answer = _ask(
        "GET",
        f"{config.search_url}/project-*/_search?size=0&track_total_hits=true",
        json={"query": {"term": {"latest.workerEmail": MASK}}},
    )
    return int(answer.json()["hits"]["total"]["value"])


def masked_records(config: SandboxConfig) -> int:
    """Rows of the table that users look at."""
    answer = _ask(
        "POST",
        f"{config.clickhouse_url}/",
        content=f"SELECT COUNT(*) FROM {config.clickhouse_database}.unit_metrics WHERE email = '{MASK}'",
        headers={
            "Content-Type": "text/plain",
            "X-ClickHouse-User": config.clickhouse_user,
            "X-ClickHouse-Key": config.clickhouse_password,
        },
    )
    return int(answer.text)


def _ask(
    method: str,
    url: str,
    *,
    json: object = None,
    content: str | None = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    # The engines are on this machine; a proxy from the environment would look for them on its own.
    with httpx.Client(trust_env=False, timeout=30) as client:
        answer = client.request(method, url, json=json, content=content, headers=headers)
    return answer.raise_for_status()
