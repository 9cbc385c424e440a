"""Serves the job API: `python -m sandbox.job_api`, settings by environment."""

from __future__ import annotations

import uvicorn

from sandbox.job_api.app import build_app
from sandbox.job_api.settings import JobApiSettings
from sandbox.job_api.stores import Platform


def main() -> None:
    # The environment has everything; a validation error names variables, not values.
    settings = JobApiSettings()  # type: ignore[call-arg]
    app = build_app(Platform(settings), settings.secret)
    # No access log: request lines hold the secret.
    uvicorn.run(app, host=settings.host, port=settings.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
