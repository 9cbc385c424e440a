"""Who is let into a search server, and over which connection: real engines behind doors that check.

Holds: basic authentication, API keys and signatures of AWS, right and wrong; TLS; addresses where nobody is.
Add here: another way of getting in, with its wrong forms.
Keep out: settings that contradict each other (`tests/unit/test_settings.py`), and what a server is
(`test_search_clients.py`).
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from erasure.counts import Count
from erasure.errors import StoreError, StoreRefused, StoreUnavailable
from erasure.store_settings import ElasticsearchSettings
from erasure.stores.base import no_progress
from erasure.stores.search.server import search_server
from erasure.stores.search.store import SearchStore
from sandbox.supervisor import Sandbox
from tests.certificates import Authority
from tests.contract.search_support import (
    TARGETS,
    Ground,
    free_port,
    grounded,
    judgment,
    only,
    target_set,
    unit,
)
from tests.faults.doorman import Doorman, Guard, api_key, aws, basic
from tests.search_proxies import ElasticFace, Proxy

REGION = "eu-central-1"
ACCESS_KEY, SECRET = "AKIAEXAMPLEKEY", "zq7/aws+Secret"
ENCODED = base64.b64encode(b"key-id:zq7-api-key").decode()
PASSWORD = "zq7 ¡päss:w0rd! ☃"


@pytest.fixture
def ground(sandbox: Sandbox) -> Iterator[Ground]:
    """One document of a target."""
    with grounded(sandbox) as ground:
        ground.fill(ground.index("a"), [unit(judgment(TARGETS[0]))])
        yield ground


@pytest.fixture(params=["opensearch-py", "elasticsearch"])
def target(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[str]:
    """Where a door leads to: the engine itself, or its face for Elastic's client."""
    if request.param == "opensearch-py":
        yield sandbox.config.search_url
        return
    with ElasticFace(sandbox.config.search_url) as face:
        yield face.url


@pytest.fixture
def keys_of_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Sets the keys that boto3 finds, and hides those of whoever runs the tests."""

    def give(access_key: str = "", secret: str = "") -> None:
        for name, value in (("AWS_ACCESS_KEY_ID", access_key), ("AWS_SECRET_ACCESS_KEY", secret)):
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)

    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    give(ACCESS_KEY, SECRET)
    return give


def masked(ground: Ground, settings: ElasticsearchSettings) -> Count:
    """What a batch of one changes through these settings."""
    server = search_server(settings)
    try:
        store = SearchStore(server, (ground.units,))
        store.survey()
        return only(store.mask(target_set(TARGETS[0]), no_progress))
    finally:
        server.close()


def require_refused(
    ground: Ground, settings: ElasticsearchSettings, raises: type[StoreError], says: str, *secrets: str
) -> None:
    """Nothing was changed, and no secret was said."""
    before = {index: ground.read(index) for index in (f"{ground.prefix}-a",)}
    with pytest.raises(raises, match=says) as caught:
        masked(ground, settings)
    assert {index: ground.read(index) for index in before} == before
    assert caught.value.__cause__ is None
    for secret in secrets:
        assert secret not in f"{caught.value}{settings!r}{settings}"


# Credentials


def by_url(url: str) -> ElasticsearchSettings:
    return ElasticsearchSettings(url=url.replace("//", "//kepler:zq7%20%C2%A1p%C3%A4ss%3Aw0rd!%20%E2%98%83@"))


def by_password(url: str) -> ElasticsearchSettings:
    return ElasticsearchSettings(url=url, username="kepler", password=SecretStr(PASSWORD))


def by_encoded_key(url: str) -> ElasticsearchSettings:
    return ElasticsearchSettings(url=url, api_key=SecretStr(ENCODED))


def by_plain_key(url: str) -> ElasticsearchSettings:
    return ElasticsearchSettings(url=url, api_key=SecretStr("key-id:zq7-api-key"))


def by_signature(url: str) -> ElasticsearchSettings:
    return ElasticsearchSettings(url=url, aws_region=REGION)


Way = Callable[[str], ElasticsearchSettings]
PASSWORDS, KEYS, SIGNED = basic("kepler", PASSWORD), api_key(ENCODED), aws(ACCESS_KEY, SECRET, region=REGION)


@pytest.mark.parametrize(
    ("guard", "way"),
    [(PASSWORDS, by_url), (PASSWORDS, by_password), (KEYS, by_encoded_key), (KEYS, by_plain_key)],
    ids=["in the URL", "user and password", "API key", "API key with its id"],
)
def test_whoever_has_the_right_proof_masks(
    ground: Ground, target: str, caplog: pytest.LogCaptureFixture, guard: Guard, way: Way
) -> None:
    caplog.set_level(logging.DEBUG)
    with Doorman(target, guard=guard) as door:
        assert masked(ground, way(door.url)).records == 1
        # The probe too: nothing was asked twice, once without and once with.
        assert all("authorization" in request.headers for request in door.seen)
        assert not any("zq7" in request.path for request in door.seen)
    said = caplog.text
    for secret in ("zq7", ENCODED, base64.b64encode(f"kepler:{PASSWORD}".encode()).decode(), TARGETS[0].id):
        assert secret not in said


def test_a_signature_of_aws_covers_every_request(
    ground: Ground, sandbox: Sandbox, keys_of_aws: Callable[..., None]
) -> None:
    with Doorman(sandbox.config.search_url, guard=SIGNED) as door:
        assert masked(ground, by_signature(door.url)).records == 1
        assert any("%2A" in each.path.upper() or "*" in each.path for each in door.seen)
        assert any(each.headers.get("content-encoding") == "gzip" for each in door.seen)
        assert not any(SECRET in f"{each.path}{each.headers}" for each in door.seen)


@pytest.mark.parametrize(
    ("guard", "way", "says"),
    [
        (
            basic("kepler", "another"),
            by_password,
            r"credentials \(401\); check \[elasticsearch\] url, its user",
        ),
        (basic("another", PASSWORD), by_url, r"credentials \(401\); check \[elasticsearch\] url, its user"),
        (
            api_key("another"),
            by_encoded_key,
            r"credentials \(401\); check \[elasticsearch\] url.* or other keys",
        ),
        (KEYS, by_password, r"does not accept the credentials \(401\)"),
        (PASSWORDS, lambda url: ElasticsearchSettings(url=url), r"does not accept the credentials \(401\)"),
    ],
    ids=["password", "user", "API key", "password for a key", "nothing"],
)
def test_whoever_has_the_wrong_proof_changes_nothing(
    ground: Ground, target: str, guard: Guard, way: Way, says: str
) -> None:
    with Doorman(target, guard=guard) as door:
        require_refused(ground, way(door.url), StoreUnavailable, says, PASSWORD, "zq7", ENCODED)
        assert [request.path for request in door.seen] == ["/"]


@pytest.mark.parametrize(
    "guard",
    [
        aws(ACCESS_KEY, "another", region=REGION),
        aws("AKIAANOTHER", SECRET, region=REGION),
        aws(ACCESS_KEY, SECRET, region="us-east-1"),
    ],
    ids=["secret", "key", "region"],
)
def test_a_wrong_signature_changes_nothing(
    ground: Ground, sandbox: Sandbox, keys_of_aws: Callable[..., None], guard: Guard
) -> None:
    with Doorman(sandbox.config.search_url, guard=guard) as door:
        says = r"lets nobody in \(403\); check \[elasticsearch\] url"
        require_refused(ground, by_signature(door.url), StoreUnavailable, says, SECRET)


def test_without_keys_of_aws_nothing_is_sent(
    ground: Ground, sandbox: Sandbox, keys_of_aws: Callable[..., None]
) -> None:
    keys_of_aws()
    with Doorman(sandbox.config.search_url, guard=SIGNED) as door:
        says = "there are no keys of AWS to sign with; set AWS_ACCESS_KEY_ID"
        require_refused(ground, by_signature(door.url), StoreRefused, says)
        assert door.seen == []


def test_elasticsearch_8_is_not_sent_signatures(
    ground: Ground, sandbox: Sandbox, keys_of_aws: Callable[..., None]
) -> None:
    with ElasticFace(sandbox.config.search_url) as face:
        says = r"takes no signatures of AWS; put api_key in the place of \[elasticsearch\] aws_region"
        require_refused(ground, by_signature(face.url), StoreRefused, says, SECRET)
        assert [request.path for request in face.seen] == ["/"]


def test_rights_that_end_in_the_middle_are_told_with_what_is_wanted(ground: Ground, target: str) -> None:
    with Doorman(target, guard=PASSWORDS, forbidden=f"/{ground.prefix}-a/_update_by_query") as door:
        says = r"the configured user may not do this to an index; let the user of \[elasticsearch\] url"
        require_refused(ground, by_password(door.url), StoreRefused, says, PASSWORD)


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_an_authority_of_ones_own_makes_a_certificate_right(
    ground: Ground, target: str, authority: Authority
) -> None:
    with Proxy(target, tls=authority.server()) as server:
        settings = ElasticsearchSettings(url=server.url, ca_certs=authority.file)
        assert masked(ground, settings).records == 1


def test_credentials_go_over_tls_to_whoever_bears_the_certificate(
    ground: Ground, target: str, authority: Authority
) -> None:
    with Doorman(target, guard=PASSWORDS, tls=authority.server()) as door:
        settings = ElasticsearchSettings(
            url=door.url, ca_certs=authority.file, username="kepler", password=SecretStr(PASSWORD)
        )
        assert masked(ground, settings).records == 1


UNTRUSTED = (
    r"the server's certificate is not trusted: {}; check https in \[elasticsearch\] url and its host, or name"
)


@pytest.mark.parametrize(
    ("certificate", "trusted", "says"),
    [
        ({}, False, UNTRUSTED.format("its authority is unknown")),
        ({"days": -1}, True, UNTRUSTED.format("it has expired")),
        ({"host": "search.example.com"}, True, UNTRUSTED.format("it is for another host")),
        ({"host": "127.0.0.2"}, True, UNTRUSTED.format("it is for another host")),
    ],
    ids=["unknown authority", "expired", "another name", "another address"],
)
def test_a_certificate_that_is_not_right_is_told_with_the_reason(
    ground: Ground, sandbox: Sandbox, authority: Authority, certificate: Any, trusted: bool, says: str
) -> None:
    with Doorman(sandbox.config.search_url, guard=PASSWORDS, tls=authority.server(**certificate)) as door:
        settings = ElasticsearchSettings(
            url=door.url,
            username="kepler",
            password=SecretStr(PASSWORD),
            ca_certs=authority.file if trusted else None,
        )
        require_refused(ground, settings, StoreUnavailable, says, PASSWORD)
        # No credentials were said to whoever it was.
        assert door.seen == []


def test_tls_where_there_is_none_and_none_where_there_is_are_told_apart(
    ground: Ground, sandbox: Sandbox, authority: Authority
) -> None:
    with ExitStack() as stack:
        plain = stack.enter_context(Proxy(sandbox.config.search_url))
        over_tls = stack.enter_context(Proxy(sandbox.config.search_url, tls=authority.server()))
        for url, says in (
            (
                plain.url.replace("http:", "https:"),
                r"does not speak TLS \(.*\); check https in \[elasticsearch\] url",
            ),
            (
                over_tls.url.replace("https:", "http:"),
                r"cannot be reached \(what answers does not speak HTTP, or closes\); check \[elasticsearch\] url",
            ),
        ):
            require_refused(ground, ElasticsearchSettings(url=url), StoreUnavailable, says)
        assert plain.seen == over_tls.seen == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["absent", "empty", "not PEM"])
def test_a_file_without_certificates_is_named(ground: Ground, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    settings = ElasticsearchSettings(url=f"https://127.0.0.1:{free_port()}", ca_certs=file)
    says = rf"{file} holds no certificates \(.*\); name a file in PEM by \[elasticsearch\] ca_certs"
    require_refused(ground, settings, StoreRefused, says)


# Addresses


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://no-such-host.invalid:9200", "there is no such host"),
        ("http://127.0.0.1:{port}", "nobody listens there"),
        ("https://127.0.0.1:{port}", "nobody listens there"),
    ],
)
def test_an_address_where_nobody_is_is_told_with_the_reason(ground: Ground, url: str, says: str) -> None:
    settings = ElasticsearchSettings(url=url.format(port=free_port()))
    says = rf"the server cannot be reached \({says}\); check \[elasticsearch\] url"
    require_refused(ground, settings, StoreUnavailable, says)
