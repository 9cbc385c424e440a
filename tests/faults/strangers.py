"""Servers that are no store: what the product meets where an address leads to somebody else.

Holds: `Stranger`, a server on a port of its own with one way of behaving, those ways, and a certificate nobody trusts.
Add here: another way in which a server can disappoint a client.
Keep out: what stands in front of a real engine (`gate.py`, `doorman.py`).
"""

from __future__ import annotations

import contextlib
import datetime
import re
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

Behaviour = Callable[[socket.socket, threading.Event], None]
_DRIP_SECONDS = 0.2
_PAGE = b"<html><body>It works.</body></html>"


def silent(client: socket.socket, ended: threading.Event) -> None:
    """Takes everything and never answers."""
    while client.recv(65_536):
        pass


def trickling(opening: bytes, drip: bytes) -> Behaviour:
    """Begins as the client expects and goes on a few bytes at a time, so that no read is ever without an answer."""

    def trickle(client: socket.socket, ended: threading.Event) -> None:
        client.recv(65_536)
        client.sendall(opening)
        while not ended.wait(_DRIP_SECONDS):
            client.sendall(drip)

    return trickle


def content(client: socket.socket, ended: threading.Event) -> None:
    """A web server that says 200 and shows the same page to everything that is HTTP."""
    while request := _request(client):
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(_PAGE)}\r\n\r\n".encode()
        client.sendall(head if request.startswith(b"HEAD") else head + _PAGE)


def closing(client: socket.socket, ended: threading.Event) -> None:
    """Takes the connection and ends it."""


def saying(answer: bytes) -> Behaviour:
    """Sends the same bytes to everybody who has said something, and closes."""

    def say(client: socket.socket, ended: threading.Event) -> None:
        client.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            client.recv(65_536)
        client.sendall(answer)

    return say


class Stranger:
    """Listens on a port of its own; every connection is treated in the one way. `certificate`: speaks TLS alone."""

    def __init__(self, behaviour: Behaviour, *, certificate: Path | None = None) -> None:
        self._behaviour = behaviour
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._ended = threading.Event()
        self._clients: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="stranger", daemon=True)

    def __enter__(self) -> Stranger:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for each in (self._listener, *self._clients):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(timeout=10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            threading.Thread(target=self._treat, args=(client,), daemon=True).start()

    def _treat(self, client: socket.socket) -> None:
        # Clients that give up are what is looked for.
        with contextlib.suppress(OSError):
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            self._behaviour(client, self._ended)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()


def own_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 with its key, signed by itself."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stranger.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "stranger.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def _request(client: socket.socket) -> bytes:
    """One request of HTTP with its body; nothing where it is none, or the client has gone."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = client.recv(65_536)
        if not more or not re.match(rb"[A-Z]{3,7} ", received + more):
            return b""
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length.group(1)):
        more = client.recv(65_536)
        if not more:
            return b""
        body += more
    return head
