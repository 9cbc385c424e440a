"""The platform's job API: a client of its calls.

Holds: `JobApi` with login, fetch, commit and logout, and what a call can come to.
Add here: another call of the platform.
Keep out: what the answers prove (`lockout.py`), and sessions in Redis (`stores/redis/`).
"""

import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr

from erasure.errors import BadInput

if TYPE_CHECKING:
    import httpx

# Only these say that somebody is kept out; anything else may be an outage, a proxy or a wrong path.
DENIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.GONE})
ATTEMPTS = 3
_FIRST_PAUSE = 0.4
_JOB_PATH = re.compile(r"(?:/[^/]+)*/jobs/[^/]+/?")
_EXPECTED = "expected https://HOST/quality/jobs/JOB?secret=SECRET in [api] job_url or --job-url"
# Every logger of the HTTP client: the first logs URLs, the others what servers send back.
_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_calling: ContextVar[bool] = ContextVar("calling", default=False)


class Outcome(StrEnum):
    """What a call came to, after its retries."""

    OK = "ok"
    DENIED = "denied"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNEXPECTED = "unexpected"


_WORTH_REPEATING = frozenset({Outcome.UNREACHABLE, Outcome.RATE_LIMITED, Outcome.SERVER_ERROR})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the platform answered; the token and the rest of the body are not shown."""

    outcome: Outcome
    status: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def title(self) -> str:
        """Outcome and status, such as `server_error 503`."""
        return self.outcome.value if self.status is None else f"{self.outcome.value} {self.status}"

    @property
    def token(self) -> str:
        """Of a login that is ok."""
        return str(self.body["token"])


@dataclass(frozen=True, kw_only=True)
class ControlTrial:
    """How a control fared in login and fetch, and whether its session could not be ended."""

    answer: Answer
    left_behind: bool = False


class JobApi:
    """One job of the platform, by its URL with `?secret=`. A call is tried a few times and never raises."""

    def __init__(
        self,
        job_url: SecretStr | str,
        client: "httpx.Client | None" = None,
        *,
        timeout_seconds: float = 10.0,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Raises BadInput for a URL that is none of a job; nothing has been sent then."""
        import httpx

        self._url = parse_job_url(job_url)
        self._timeout = httpx.Timeout(timeout_seconds)
        self._pause = pause
        self._client = client or httpx.Client()
        self._owns_client = client is None
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_keep_out_of_logs)

    def __repr__(self) -> str:
        return f"JobApi(host={self._url.netloc.decode()!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections, unless the client was handed in."""
        if self._owns_client:
            self._client.close()

    def login(self, contributor_id: str) -> Answer:
        """Opens a session; an answer that is ok has a token."""
        answer = self._call("login", json={"contributor_id": contributor_id})
        token = answer.body.get("token")
        usable = isinstance(token, str) and token.isascii() and token.isprintable() and token != ""
        return answer if usable else _not_as_agreed(answer)

    def fetch(self, token: str) -> Answer:
        """Units to work on, without taking them."""
        answer = self._call("fetch", token=token)
        return answer if isinstance(answer.body.get("units"), list) else _not_as_agreed(answer)

    def commit(self, token: str, unit_id: str, label: str) -> Answer:
        """Hands in a judgment; not repeated where the first one may have arrived."""
        answer = self._call(
            "commit", token=token, json={"unit_id": unit_id, "label": label}, repeatable=False
        )
        return answer if "judgment_id" in answer.body else _not_as_agreed(answer)

    def logout(self, token: str) -> Answer:
        """Ends the session."""
        return self._call("logout", token=token)

    def try_control(self, control_id: str) -> ControlTrial:
        """Whether somebody who may work can: login, fetch, and logout, so that no session stays behind."""
        login = self.login(control_id)
        if not login.ok:
            return ControlTrial(answer=login)
        return ControlTrial(answer=self.fetch(login.token), left_behind=not self.logout(login.token).ok)

    def _call(
        self,
        name: str,
        *,
        token: str | None = None,
        json: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> Answer:
        url = self._url.copy_with(path=f"{self._url.path}/{name}")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        for attempt in range(1, ATTEMPTS + 1):
            answer, arrived = self._send(url, headers, json)
            if answer.outcome not in _WORTH_REPEATING or (arrived and not repeatable) or attempt == ATTEMPTS:
                break
            # Jitter, so that clients that failed together do not come back together.
            self._pause(_FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))
        return answer

    def _send(
        self, url: "httpx.URL", headers: Mapping[str, str], json: Mapping[str, str] | None
    ) -> tuple[Answer, bool]:
        """The answer, and whether the platform may have acted on the call."""
        import httpx

        # Every call speaks for one person: a cookie given to one must not speak for the next.
        self._client.cookies.clear()
        try:
            with _silence():
                # A redirect would carry secret and token to another host: none is followed.
                response = self._client.post(
                    url, headers=headers, json=json, timeout=self._timeout, follow_redirects=False
                )
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return Answer(outcome=Outcome.UNREACHABLE), False
        except httpx.TransportError:
            return Answer(outcome=Outcome.UNREACHABLE), True
        except httpx.HTTPError:
            return Answer(outcome=Outcome.UNEXPECTED), True
        answer = Answer(
            outcome=_outcome(response.status_code), status=response.status_code, body=_body(response)
        )
        return answer, answer.outcome is not Outcome.RATE_LIMITED


def parse_job_url(job_url: SecretStr | str) -> "httpx.URL":
    """The URL of one job with its secret. Raises BadInput for anything else, and repeats none of it."""
    import httpx

    text = job_url.get_secret_value() if isinstance(job_url, SecretStr) else job_url
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, ValueError):
        raise BadInput(f"The job URL is no URL; {_EXPECTED}.") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise BadInput(f"The job URL does not name a host over HTTP; {_EXPECTED}.")
    if not _JOB_PATH.fullmatch(url.path):
        raise BadInput(f"The job URL does not name a job; {_EXPECTED}.")
    if len(url.params.get_list("secret")) != 1 or not url.params["secret"]:
        raise BadInput(f"The job URL has no secret, or more than one; {_EXPECTED}.")
    return url.copy_with(path=url.path.rstrip("/"), fragment=None)


def _outcome(status: int) -> Outcome:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome.OK
    if status in DENIALS:
        return Outcome.DENIED
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Outcome.RATE_LIMITED
    return Outcome.SERVER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Outcome.UNEXPECTED


def _body(response: "httpx.Response") -> Mapping[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _not_as_agreed(answer: Answer) -> Answer:
    """An ok without what the call is for: the page of a proxy, perhaps."""
    return Answer(outcome=Outcome.UNEXPECTED, status=answer.status) if answer.ok else answer


@contextmanager
def _silence() -> Iterator[None]:
    before = _calling.set(True)
    try:
        yield
    finally:
        _calling.reset(before)


def _keep_out_of_logs(record: logging.LogRecord) -> bool:
    """A filter: the HTTP client would log URLs with their secret, and headers that repeat it."""
    return not _calling.get()
