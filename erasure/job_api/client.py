"""The platform's job API: a client of its calls.

Holds: `JobApi` with login, fetch, commit, route and logout, sent as the settings say, a few times where that helps.
Add here: another call of the platform.
Keep out: the shape of calls (`shape.py`), what the answers prove (`lockout.py`), and sessions in Redis
(`stores/redis/`).
"""

import json
import logging
import random
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr

from erasure.api_settings import ApiSettings
from erasure.job_api import shape
from erasure.job_api.answers import Answer, ControlTrial, Outcome, outcome_of
from erasure.job_api.shape import Message, parse_job_url
from erasure.patience import within

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 3
# Longer than any answer of a job; the rest of what a wrong server sends is not read.
MOST_BYTES = 1_000_000
# Who asks for more patience than this is not waited for.
MOST_PATIENCE = 30.0
_FIRST_PAUSE = 0.4
# Every logger of the HTTP client: the first logs URLs, the others what servers send back.
_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_WORTH_REPEATING = frozenset({Outcome.UNREACHABLE, Outcome.RATE_LIMITED, Outcome.SERVER_ERROR})
_NO_CERTIFICATE = "its certificate is not trusted (name its authority by SSL_CERT_FILE)"
_calling: ContextVar[bool] = ContextVar("calling", default=False)


class JobApi:
    """One job of the platform, by its URL. A call is tried a few times and never raises. Safe to use in threads."""

    def __init__(
        self,
        job_url: SecretStr | str,
        client: "httpx.Client | None" = None,
        *,
        settings: ApiSettings | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Raises BadInput for a URL that is none of a job; nothing has been sent then."""
        import httpx

        self._settings = settings or ApiSettings()
        self._job = parse_job_url(job_url, self._settings)
        self._pause = pause
        self._client = client or httpx.Client()
        self._owns_client = client is None
        # Every call speaks for one person: a cookie given to one must not speak for the next.
        self._client.cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_keep_out_of_logs)

    def __repr__(self) -> str:
        return f"JobApi(host={self._job.host!r})"

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
        answer = self._call("login", {"contributor_id": contributor_id})
        token = shape.token_of(self._settings, answer.body)
        return replace(answer, token=token) if token else _not_as_agreed(answer, self._settings.token_field)

    def fetch(self, token: str) -> Answer:
        """Units to work on, without taking them; `units` has their ids."""
        answer = self._call("fetch", {}, token=token)
        units = shape.units_of(self._settings, answer.body)
        if units is None:
            return _not_as_agreed(answer, self._settings.units_field)
        return replace(answer, units=units)

    def commit(self, token: str, unit_id: str, label: str) -> Answer:
        """Hands in a judgment; not repeated where the first one may have arrived."""
        values = {"unit_id": unit_id, "label": label}
        answer = self._call("commit", values, token=token, repeatable=False)
        if shape.is_committed(self._settings, answer.body):
            return answer
        return _not_as_agreed(answer, self._settings.judgment_field)

    def route(self, project_id: str, units: int) -> Answer:
        """Sees to it that the job has so many units of the project; `routed` is how many it has. Safe to repeat."""
        answer = self._call("route", {"project_id": project_id, "units": units})
        routed = shape.routed_of(self._settings, answer.body)
        if routed is None:
            return _not_as_agreed(answer, self._settings.routed_field)
        return replace(answer, routed=routed)

    def logout(self, token: str) -> Answer:
        """Ends the session."""
        return self._call("logout", {}, token=token)

    def try_control(self, control_id: str) -> ControlTrial:
        """Whether somebody who may work can: login, fetch, and logout, so that no session stays behind."""
        login = self.login(control_id)
        if not login.ok:
            return ControlTrial(answer=login)
        return ControlTrial(answer=self.fetch(login.token), left_behind=not self.logout(login.token).ok)

    def _call(
        self, name: str, values: dict[str, Any], *, token: str | None = None, repeatable: bool = True
    ) -> Answer:
        message = shape.message(self._settings, self._job, name, values, token)
        for attempt in range(1, ATTEMPTS + 1):
            answer, arrived, asked = self._send(message)
            if answer.outcome not in _WORTH_REPEATING or (arrived and not repeatable) or attempt == ATTEMPTS:
                break
            if answer.detail == _NO_CERTIFICATE or asked > MOST_PATIENCE:
                break
            # Jitter, so that clients that failed together do not come back together.
            self._pause(max(asked, _FIRST_PAUSE * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0) + asked / 2)
        return replace(answer, call=name)

    def _send(self, message: Message) -> tuple[Answer, bool, float]:
        """The answer, whether the platform may have acted on the call, and the seconds it asks to be left alone."""
        import httpx

        seconds = self._settings.timeout_seconds
        try:
            status, headers, content = within(seconds, lambda: self._exchange(message, seconds))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            detail = _NO_CERTIFICATE if _is_about_certificates(error) else ""
            return Answer(outcome=Outcome.UNREACHABLE, detail=detail), False, 0.0
        except (httpx.TimeoutException, TimeoutError):
            detail = f"no whole answer within {seconds:g} s"
            return Answer(outcome=Outcome.UNREACHABLE, detail=detail), True, 0.0
        except httpx.TransportError:
            detail = "the connection broke off, or what answers does not speak HTTP"
            return Answer(outcome=Outcome.UNREACHABLE, detail=detail), True, 0.0
        except httpx.HTTPError:
            return Answer(outcome=Outcome.UNEXPECTED), True, 0.0
        answer = Answer(outcome=outcome_of(status), status=status)
        asked = 0.0
        if answer.outcome is Outcome.OK:
            answer = _read(answer, content)
        elif answer.outcome is Outcome.RATE_LIMITED or status == HTTPStatus.SERVICE_UNAVAILABLE:
            asked = _retry_after(headers.get("retry-after", ""))
            if answer.outcome is Outcome.RATE_LIMITED and asked:
                answer = replace(answer, detail=f"in {asked:.0f} s")
        return answer, answer.outcome is not Outcome.RATE_LIMITED, asked

    def _exchange(self, message: Message, seconds: float) -> "tuple[int, httpx.Headers, bytes | None]":
        """Status, headers, and the body; None for a body that is too long. Runs in a thread of its own."""
        import httpx

        ends = time.monotonic() + seconds
        with (
            _silence(),
            # A redirect would carry secret and token to another host: none is followed.
            self._client.stream(
                message.method,
                message.url,
                # A small answer could unfold into a huge one.
                headers={**message.headers, "Accept": "application/json", "Accept-Encoding": "identity"},
                json=message.json,
                timeout=httpx.Timeout(seconds),
                follow_redirects=False,
            ) as response,
        ):
            content = b""
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > MOST_BYTES:
                    return response.status_code, response.headers, None
                if time.monotonic() > ends:
                    raise TimeoutError
            return response.status_code, response.headers, content


def _read(answer: Answer, content: bytes | None) -> Answer:
    if content is None:
        detail = f"it says more than {MOST_BYTES:,} bytes"
        return replace(answer, outcome=Outcome.UNEXPECTED, detail=detail)
    if not content:
        return answer
    try:
        return replace(answer, body=json.loads(content))
    except (ValueError, RecursionError):
        page = content.lstrip()[:1] == b"<"
        return replace(answer, body={}, detail="it says HTML" if page else "it does not say JSON")


def _not_as_agreed(answer: Answer, place: str) -> Answer:
    """An ok without what the call is for: the page of a proxy, perhaps."""
    if not answer.ok:
        return answer
    detail = answer.detail or f"its answer has no usable {place}"
    return replace(answer, outcome=Outcome.UNEXPECTED, body={}, detail=detail)


def _retry_after(text: str) -> float:
    """Seconds from now, of a Retry-After in either of its forms; 0 where there is none."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _is_about_certificates(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


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
