"""ClickHouse, behind the HTTP gateway of `sandbox.clickhouse`.

Holds: how the gateway is started and asked.
Add here: an option of the gateway that the sandbox sets.
Keep out: the gateway itself (`sandbox/clickhouse/`), tables (`sandbox/world/`).
"""

from __future__ import annotations

from typing import ClassVar

import httpx

from sandbox.engines.base import Engine, NotReady, python_launch
from sandbox.processes import Launch


class ClickHouse(Engine):
    name: ClassVar[str] = "clickhouse"
    kind: ClassVar[str] = "clickhouse"
    not_ready: ClassVar[tuple[type[Exception], ...]] = (httpx.TransportError, NotReady)
    packages: ClassVar[tuple[str, ...]] = ("chdb", "lz4", "zstandard")

    def launch(self) -> Launch:
        return python_launch(
            "sandbox.clickhouse",
            *("--data", str(self.directory / "data")),
            *("--host", self.config.host),
            *("--port", str(self.config.clickhouse_port)),
            *("--user", self.config.clickhouse_user),
            # Users look at the tables with a bare curl, as they are used to.
            "--open-default-user",
            # What was asked can be looked up afterwards: tests search it for values that must not be in a statement.
            "--query-log",
            directory=self.directory,
            environment={"SANDBOX_CLICKHOUSE_PASSWORD": self.config.clickhouse_password},
        )

    def probe(self) -> str:
        ping = httpx.get(f"{self.config.clickhouse_url}/ping", timeout=5, trust_env=False)
        if ping.status_code != httpx.codes.OK:
            raise NotReady(f"/ping answered {ping.status_code}")
        return self._run("SELECT version()")

    def settle(self) -> None:
        self._run(f"CREATE DATABASE IF NOT EXISTS {self.config.clickhouse_database}")

    def _run(self, statement: str) -> str:
        answer = httpx.post(
            self.config.clickhouse_url,
            content=statement,
            headers={
                "X-ClickHouse-User": self.config.clickhouse_user,
                "X-ClickHouse-Key": self.config.clickhouse_password,
            },
            timeout=30,
            trust_env=False,
        )
        if answer.status_code != httpx.codes.OK:
            raise NotReady(f"a statement was answered with {answer.status_code}")
        return answer.text.strip()
