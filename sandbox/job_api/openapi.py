"""The job API's OpenAPI document, served at /openapi.json.

Holds: what each call takes and answers, as docs/api.md shows it.
Add here: another call, with its messages.
Keep out: what the calls do (`app.py`); a test holds the two together.
"""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_UUID = {"type": "string", "format": "uuid"}
_NUMBER = {"type": "integer"}
_SECRET = {"name": "secret", "in": "query", "required": True, "schema": _TEXT}
_JOB = {"name": "job_id", "in": "path", "required": True, "schema": _UUID}
_REFUSALS = {
    "400": "the body is not as described",
    "401": "unknown contributor or session",
    "403": "wrong secret, or a contributor who may not work",
    "404": "unknown job, unit or project",
    "503": "a store is not available",
}


def _object(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields)}


def _call(
    summary: str, *, takes: dict[str, Any] | None, gives: dict[str, Any] | None, session: bool
) -> dict[str, Any]:
    content = None if gives is None else {"application/json": {"schema": gives}}
    done = {"description": "done"} | ({"content": content} if content else {})
    call: dict[str, Any] = {
        "summary": summary,
        "parameters": [_JOB, _SECRET],
        "responses": {
            "204" if gives is None else "200": done,
            **{status: {"description": why} for status, why in _REFUSALS.items()},
        },
    }
    if takes is not None:
        call["requestBody"] = {"required": True, "content": {"application/json": {"schema": takes}}}
    if session:
        call["security"] = [{"session": []}]
    return {"post": call}


_UNITS = {"type": "array", "items": _object(unit_id=_UUID, url=_TEXT)}
_CALLS = {
    "login": _call(
        "Opens a session of an active contributor",
        takes=_object(contributor_id=_UUID),
        gives=_object(token=_TEXT),
        session=False,
    ),
    "fetch": _call(
        "Units of the job to work on; takes none of them",
        takes=None,
        gives=_object(units=_UNITS),
        session=True,
    ),
    "commit": _call(
        "Hands in a judgment",
        takes=_object(unit_id=_UUID, label=_TEXT),
        gives=_object(judgment_id=_NUMBER),
        session=True,
    ),
    "route": _call(
        "Sees to it that the job has so many units of its project, and says how many it has of these; may be repeated",
        takes=_object(project_id=_UUID, units=_NUMBER),
        gives=_object(routed=_NUMBER),
        session=False,
    ),
    "logout": _call("Ends the session", takes=None, gives=None, session=True),
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "The platform's job API, as the sandbox plays it", "version": "1"},
    "components": {"securitySchemes": {"session": {"type": "http", "scheme": "bearer"}}},
    "paths": {f"/quality/jobs/{{job_id}}/{name}": call for name, call in _CALLS.items()},
}
