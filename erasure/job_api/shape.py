"""The shape of a platform's calls: what is sent for each, and where its answer has what it is for.

Add here: another way of filling in a form of `[api]`.
Keep out: the forms themselves (`api_settings.py`), sending and retrying (`client.py`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from erasure.api_settings import NOTHING, WHOLE_ANSWER, ApiSettings
from erasure.errors import BadInput

EXPECTED = "expected https://HOST/quality/{path}?{parameter}=SECRET in [api] job_url or --job-url"
_PLACE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, kw_only=True)
class Message:
    """One call as it is sent; headers and body hold secrets and people."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    json: Any = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job's address, without its secret wherever that travels in a header."""

    root: str
    path: str
    query: str = field(repr=False)
    job: str
    host: str
    headers: Mapping[str, str] = field(repr=False)


def parse_job_url(job_url: SecretStr | str, settings: ApiSettings | None = None) -> Job:
    """The job that a URL names. Raises BadInput for anything else, and repeats none of it."""
    import httpx

    api = settings or ApiSettings()
    expected = EXPECTED.format(path=api.job_path.replace("{job}", "JOB"), parameter=api.secret_parameter)
    text = job_url.get_secret_value() if isinstance(job_url, SecretStr) else job_url
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, ValueError):
        raise BadInput(f"The job URL is no URL; {expected}.") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise BadInput(f"The job URL does not name a host over HTTP; {expected}.")
    path = url.path.rstrip("/")
    ending = re.escape(api.job_path).replace(re.escape("{job}"), "([^/]+)")
    named = re.fullmatch(rf"(?:/[^/]+)*/{ending}", path)
    if named is None:
        raise BadInput(f"The job URL does not name a job; {expected}.")
    secrets = url.params.get_list(api.secret_parameter)
    if not secrets and api.job_secret is not None:
        secrets = [api.job_secret.get_secret_value()]
        url = url.copy_add_param(api.secret_parameter, secrets[0])
    if len(secrets) != 1 or not secrets[0]:
        raise BadInput(
            f"The job URL has no secret, or more than one; {expected}, or give it by CONTRIBUTOR_DELETION_JOB_SECRET."
        )
    headers = {}
    if api.secret_header:
        if not (secrets[0].isascii() and secrets[0].isprintable()):
            raise BadInput("The job's secret cannot stand in a header; expected printable ASCII characters.")
        headers[api.secret_header] = secrets[0]
        url = url.copy_remove_param(api.secret_parameter)
    return Job(
        root=f"{url.scheme}://{url.netloc.decode()}",
        path=path,
        query=url.query.decode(),
        job=named.group(1),
        host=url.netloc.decode(),
        headers=headers,
    )


def message(
    api: ApiSettings, job: Job, call: str, values: Mapping[str, Any], token: str | None = None
) -> Message:
    """A call, filled in. `values` are what its path and its body may refer to."""
    known = {**values, "job": job.job}
    method, _, path = getattr(api, f"{call}_call").partition(" ")
    filled = _PLACE.sub(lambda found: quote(str(known[found.group(1)]), safe=""), path)
    whole = filled if filled.startswith("/") else f"{quote(job.path, safe='/%')}/{filled}"
    headers = dict(job.headers)
    if token is not None:
        name, _, value = api.token_header.partition(":")
        headers[name] = value.strip().replace("{token}", token)
    form = getattr(api, f"{call}_body", None)
    return Message(
        method=method,
        url=f"{job.root}{whole}" + (f"?{job.query}" if job.query else ""),
        headers=headers,
        json=_filled(json.loads(form), known) if form else None,
    )


def found(answer: Any, place: str) -> Any:
    """What stands at a place of an answer; None where nothing does."""
    if place == WHOLE_ANSWER:
        return answer
    for key in place.split("."):
        answer = answer.get(key, None) if isinstance(answer, dict) else None
    return answer


def token_of(api: ApiSettings, answer: Any) -> str:
    """The token of a login; empty where there is none that a header could hold."""
    token = found(answer, api.token_field)
    usable = isinstance(token, str) and token.isascii() and token.isprintable()
    return token if usable else ""


def units_of(api: ApiSettings, answer: Any) -> tuple[str, ...] | None:
    """The ids of the units of a fetch; None where there is no list of units."""
    listed = found(answer, api.units_field)
    if not isinstance(listed, list):
        return None
    ids = (found(unit, api.unit_id_field) for unit in listed)
    return tuple(str(each) for each in ids if isinstance(each, str | int) and not isinstance(each, bool))


def routed_of(api: ApiSettings, answer: Any) -> int | None:
    """How many units of a route are with the job now; None where the answer does not say so."""
    number = found(answer, api.routed_field)
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None


def is_committed(api: ApiSettings, answer: Any) -> bool:
    """Whether an answer is that of a commit."""
    return api.judgment_field == NOTHING or found(answer, api.judgment_field) is not None


def _filled(form: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(form, dict):
        return {key: _filled(value, values) for key, value in form.items()}
    if isinstance(form, list):
        return [_filled(element, values) for element in form]
    if not isinstance(form, str):
        return form
    alone = _PLACE.fullmatch(form)
    if alone:
        return values[alone.group(1)]
    return _PLACE.sub(lambda place: str(values[place.group(1)]), form)
