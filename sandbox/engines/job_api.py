"""The platform's job API, as a process of the sandbox.

Holds: how `sandbox.job_api` is started and asked.
Add here: a setting that it needs.
Keep out: its calls (`sandbox/job_api/`).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

import httpx

from sandbox.engines.base import Engine, NotReady, python_launch
from sandbox.processes import Launch


class JobApi(Engine):
    name: ClassVar[str] = "job_api"
    kind: ClassVar[str] = "job_api"
    not_ready: ClassVar[tuple[type[Exception], ...]] = (httpx.TransportError, NotReady)

    needs: ClassVar[tuple[str, ...]] = ("postgres", "redis")
    packages: ClassVar[tuple[str, ...]] = ("starlette", "uvicorn")

    def launch(self) -> Launch:
        config = self.config
        return python_launch(
            "sandbox.job_api",
            directory=self.directory,
            environment={
                "JOB_API_HOST": config.host,
                "JOB_API_PORT": str(config.api_port),
                "JOB_API_SECRET": config.api_secret,
                "JOB_API_POSTGRES_HOST": config.host,
                "JOB_API_POSTGRES_PORT": str(config.postgres_port),
                "JOB_API_POSTGRES_DATABASE": config.postgres_database,
                "JOB_API_POSTGRES_USER": config.postgres_user,
                "JOB_API_POSTGRES_PASSWORD": config.postgres_password,
                "JOB_API_REDIS_HOST": config.host,
                "JOB_API_REDIS_PORT": str(config.redis_port),
                "JOB_API_REDIS_DB": str(config.redis_db),
                "JOB_API_REDIS_PASSWORD": config.redis_password,
            },
        )

    def probe(self) -> str:
        # It answers only when Postgres, with its database, and Redis answer it.
        answer = httpx.get(f"{self.config.api_url}/health", timeout=10, trust_env=False)
        if answer.status_code != httpx.codes.OK:
            raise NotReady(f"/health answered {answer.status_code}")
        return f"starlette {version('starlette')}"
