"""The job API over HTTP.

Holds: the calls login, fetch, commit, route and logout of a job, and who is refused with which status.
Add here: another call.
Keep out: SQL and Redis (`stores.py`), logging: not one line of this service may name a person.
"""

from __future__ import annotations

import hmac
import json
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.job_api.openapi import DOCUMENT
from sandbox.job_api.stores import MOST_ROUTED, Contributor, Platform

Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(platform: Platform, secret: SecretStr) -> Starlette:
    """The application; it keeps nothing between two calls."""
    calls = JobCalls(platform, secret)
    job = "/quality/jobs/{job_id}"
    return Starlette(
        routes=[
            Route("/health", calls.health, methods=["GET"]),
            Route("/openapi.json", _openapi, methods=["GET"]),
            Route(f"{job}/login", _contained(calls.login), methods=["POST"]),
            Route(f"{job}/fetch", _contained(calls.fetch), methods=["POST"]),
            Route(f"{job}/commit", _contained(calls.commit), methods=["POST"]),
            Route(f"{job}/route", _contained(calls.route), methods=["POST"]),
            Route(f"{job}/logout", _contained(calls.logout), methods=["POST"]),
        ],
        exception_handlers={HTTPException: _as_json},
    )


class JobCalls:
    """One method a call. Refusals, in this order: secret, job, session, contributor, the call's own."""

    def __init__(self, platform: Platform, secret: SecretStr) -> None:
        self._platform = platform
        self._secret = secret.get_secret_value()

    async def health(self, request: Request) -> Response:
        try:
            await run_in_threadpool(self._platform.ping)
        except (SQLAlchemyError, RedisError):
            # Not a word in the log: whoever waits for the stores asks ten times a second.
            return JSONResponse({"status": "a store is not available"}, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"status": "ok"})

    async def login(self, request: Request) -> Response:
        await self._job(request)
        contributor_id = _uuid_field(await _body(request), "contributor_id")
        contributor = await self._active(contributor_id)
        token = await run_in_threadpool(self._platform.open_session, contributor)
        return JSONResponse({"token": token})

    async def fetch(self, request: Request) -> Response:
        job_id = await self._job(request)
        await self._session(request)
        units = await run_in_threadpool(self._platform.units, job_id)
        return JSONResponse({"units": [{"unit_id": str(unit.unit_id), "url": unit.url} for unit in units]})

    async def commit(self, request: Request) -> Response:
        job_id = await self._job(request)
        _, contributor = await self._session(request)
        body = await _body(request)
        label = body.get("label")
        if not isinstance(label, str) or not label:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "label must be a text")
        unit_id = _uuid_field(body, "unit_id")
        judgment_id = await run_in_threadpool(
            self._platform.add_judgment,
            contributor,
            job_id=job_id,
            unit_id=unit_id,
            label=label,
            ip=request.client.host if request.client else None,
        )
        if judgment_id is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "the job has no such unit")
        return JSONResponse({"judgment_id": judgment_id})

    async def route(self, request: Request) -> Response:
        job_id = await self._job(request)
        body = await _body(request)
        project_id, units = _uuid_field(body, "project_id"), body.get("units")
        if not isinstance(units, int) or isinstance(units, bool) or not 1 <= units <= MOST_ROUTED:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"units must be a number from 1 to {MOST_ROUTED}")
        routed = await run_in_threadpool(self._platform.route, job_id, project_id, units)
        if routed is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "the job is of another project, or there is none such")
        return JSONResponse({"routed": routed})

    async def logout(self, request: Request) -> Response:
        await self._job(request)
        token, contributor = await self._session(request)
        await run_in_threadpool(self._platform.close_session, token, contributor.contributor_id)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _job(self, request: Request) -> UUID:
        given = request.query_params.get("secret", "")
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            raise HTTPException(HTTPStatus.FORBIDDEN, "wrong or missing secret")
        job_id = _as_uuid(request.path_params["job_id"])
        if job_id is None or not await run_in_threadpool(self._platform.has_job, job_id):
            raise HTTPException(HTTPStatus.NOT_FOUND, "unknown job")
        return job_id

    async def _session(self, request: Request) -> tuple[str, Contributor]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        owner = None
        if scheme.lower() == "bearer" and token:
            owner = await run_in_threadpool(self._platform.session_owner, token)
        if owner is None:
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "unknown or expired session")
        return token, await self._active(owner)

    async def _active(self, contributor_id: UUID) -> Contributor:
        contributor = await run_in_threadpool(self._platform.contributor, contributor_id)
        if contributor is None:
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "unknown contributor")
        if contributor.status != "active":
            raise HTTPException(HTTPStatus.FORBIDDEN, "the contributor is not active")
        return contributor


async def _openapi(request: Request) -> Response:
    return JSONResponse(DOCUMENT)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body must be a JSON object")
    return body


def _uuid_field(body: dict[str, Any], name: str) -> UUID:
    value = _as_uuid(body.get(name))
    if value is None:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{name} must be a UUID")
    return value


def _as_uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _contained(endpoint: Endpoint) -> Endpoint:
    """Answer 503 to any unforeseen error and print its class alone: drivers' messages hold whole rows."""

    async def contained(request: Request) -> Response:
        try:
            return await endpoint(request)
        except HTTPException:
            raise
        except Exception as error:
            print(f"a call failed: {type(error).__name__}", file=sys.stderr)
            return JSONResponse({"error": "a store is not available"}, HTTPStatus.SERVICE_UNAVAILABLE)

    return contained


async def _as_json(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, error.status_code)
