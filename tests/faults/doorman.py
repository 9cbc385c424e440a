"""A doorman in front of a search server: it asks who is there, as a cluster with security does.

The sandbox' engines let everybody in, with any password.
Holds: `Doorman`, a proxy that passes on what its guard lets in, and the guards: `basic`, `api_key` and `aws`.
Add here: another way of proving who asks, with what a real cluster answers to a wrong proof; a right that a user lacks.
Keep out: answers of its own to what it lets in; that is the engine's part.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import ssl
from collections.abc import Callable
from http import HTTPStatus

from tests.search_proxies import Proxy, Reply, Request

USER, PASSWORD = "kepler", "the-doormans-w0rd"
# What a guard says to a request that it does not let in.
Guard = Callable[[Request], Reply | None]


def basic(user: str = USER, password: str = PASSWORD) -> Guard:
    """OpenSearch's security plugin."""
    right = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def guard(request: Request) -> Reply | None:
        if request.headers.get("authorization") == right:
            return None
        return Reply.of(
            HTTPStatus.UNAUTHORIZED,
            "Unauthorized",
            **{"www-authenticate": 'Basic realm="OpenSearch Security"'},
        )

    return guard


def api_key(encoded: str) -> Guard:
    """Elasticsearch."""

    def guard(request: Request) -> Reply | None:
        if request.headers.get("authorization") == f"ApiKey {encoded}":
            return None
        reason = f"unable to authenticate with provided credentials: {request.headers.get('authorization')}"
        error = {"type": "security_exception", "reason": reason}
        return Reply.of(HTTPStatus.UNAUTHORIZED, {"error": error | {"root_cause": [error]}, "status": 401})

    return guard


def aws(access_key: str, secret: str, *, region: str, service: str = "es") -> Guard:
    """A managed domain of AWS: the signature is computed again from what came over the wire."""
    form = re.compile(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
    )

    def guard(request: Request) -> Reply | None:
        found = form.fullmatch(request.headers.get("authorization", ""))
        if found is None:
            return Reply.of(
                HTTPStatus.FORBIDDEN,
                {"Message": "User: anonymous is not authorized to perform: es:ESHttpGet"},
            )
        key, _, its_region, its_service, signed, signature = found.groups()
        if (key, its_region, its_service) != (access_key, region, service):
            return Reply.of(
                HTTPStatus.FORBIDDEN, {"message": "The security token included in the request is invalid."}
            )
        body = hashlib.sha256(request.body).hexdigest()
        right = _signature(request, signed.split(";"), access_key, secret, region, service)
        if request.headers.get("x-amz-content-sha256") != body or not hmac.compare_digest(right, signature):
            said = "The request signature we calculated does not match the signature you provided."
            return Reply.of(HTTPStatus.FORBIDDEN, {"message": said})
        return None

    return guard


def _signature(
    request: Request, signed: list[str], access_key: str, secret: str, region: str, service: str
) -> str:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    auth = SigV4Auth(Credentials(access_key, secret), service, region)
    wire = AWSRequest(
        method=request.method,
        url=f"http://{request.headers['host']}{request.path}",
        data=request.body,
        headers={name: request.headers[name] for name in signed},
    )
    wire.context["timestamp"] = request.headers["x-amz-date"]
    # Of the library only the arithmetic: what is signed is taken from the wire alone.
    text = auth.string_to_sign(wire, auth.canonical_request(wire))
    return str(auth.signature(text, wire))


class Doorman(Proxy):
    """Passes on to `target` (a URL) what its guard lets in.

    `forbidden`: paths that begin so are 403 for everybody.
    """

    def __init__(
        self,
        target: str,
        *,
        guard: Guard | None = None,
        forbidden: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(target, tls=tls)
        self._guard = guard or basic()
        self._forbidden = forbidden

    def turned_away(self, request: Request) -> Reply | None:
        if (refusal := self._guard(request)) is not None:
            return refusal
        if self._forbidden is not None and request.path.startswith(self._forbidden):
            error = {"type": "security_exception", "reason": "no permissions"}
            return Reply.of(HTTPStatus.FORBIDDEN, {"error": error, "status": 403})
        return None

    def asked(self, request: Request) -> Request:
        # The engine would say of a proof that it knows none.
        kept = {name: value for name, value in request.headers.items() if name != "authorization"}
        return Request(method=request.method, path=request.path, headers=kept, body=request.body)

    def url_for(self, user: str = USER, password: str = PASSWORD) -> str:
        """Where a client finds it, with what it is to say at the door."""
        return self.url.replace("//", f"//{user}:{password}@")
