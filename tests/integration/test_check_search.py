"""`check` on search servers that ask who is there: right and wrong proofs, certificates, and servers of another kind.

Holds: a sample through the command; `tests/contract/test_search_access.py` and `test_search_clients.py` have them all.
Add here: a way into a search server that the configuration learns.
Keep out: other stores (`test_check.py`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.faults.detours import Changes, leaked
from tests.faults.doorman import Doorman, api_key
from tests.flow_fixtures import Flow
from tests.search_proxies import ElasticFace, Proxy

KEY = base64.b64encode(b"key-id:zq7-api-key").decode()
WRONG = base64.b64encode(b"key-id:zq7-wrong").decode()


def elasticsearch(**keys: str) -> Changes:
    return {("elasticsearch", key): value for key, value in keys.items()}


def test_elasticsearch_8_is_entered_by_an_api_key_over_a_certificate_of_ones_own(
    flow: Flow, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    with (
        ElasticFace(flow.setting("elasticsearch", "url")) as face,
        Doorman(face.url, guard=api_key(KEY), tls=authority.server()) as door,
    ):
        ways = elasticsearch(url=door.url, api_key=KEY, ca_certs=str(authority.file))
        answer = flow.command("check", config=flow.variant(ways))
        assert answer.code == 0, answer.said
        assert "✅ Elasticsearch: Elasticsearch 8.19.3" in answer.said
        assert (
            answer.result["counts"]["elasticsearch"]
            == flow.command("check").result["counts"]["elasticsearch"]
        )
        assert face.spoken_by_elastics_client
        assert leaked(flow, answer, KEY, "zq7-api-key") == []

        for changed, says in (
            (
                elasticsearch(api_key=WRONG),
                "elasticsearch: the server does not accept the credentials (401); check",
            ),
            (
                elasticsearch(ca_certs=""),
                "elasticsearch: the server's certificate is not trusted: its authority is",
            ),
            (
                elasticsearch(ca_certs=str(tmp_path / "no.pem")),
                f"elasticsearch: {tmp_path / 'no.pem'} holds no",
            ),
            (
                elasticsearch(url=door.url.replace("https:", "http:"), ca_certs=""),
                "elasticsearch: the server cannot",
            ),
        ):
            config = flow.variant(ways | changed)
            answer = flow.command("check", config=config)
            assert answer.code == 1, answer.said
            (problem,) = answer.result["problems"]
            assert problem.startswith(says)
            assert problem.endswith(f"([elasticsearch] of {config})")
            assert answer.said.count("✅") == 4
            assert leaked(flow, answer, KEY, WRONG, "zq7-api-key", "zq7-wrong") == []


Server = Callable[[str], Proxy]


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (
            lambda url: ElasticFace(url, product=False),
            "elasticsearch: what answers is not a search server (it says",
        ),
        (
            lambda url: ElasticFace(url, version="10.1.0"),
            "elasticsearch: Elasticsearch 10.1.0 is not served; lead",
        ),
    ],
    ids=["no product header", "too new"],
)
def test_a_search_server_of_another_kind_is_named_and_sent_nothing(
    flow: Flow, server: Server, says: str
) -> None:
    with server(flow.setting("elasticsearch", "url")) as stranger:
        answer = flow.command("check", config=flow.variant(elasticsearch(url=stranger.url)))
        assert answer.code == 1, answer.said
        (problem,) = answer.result["problems"]
        assert problem.startswith(says)
        assert {(request.method, request.path) for request in stranger.seen} == {("GET", "/")}


def test_two_ways_in_at_once_are_bad_input(flow: Flow) -> None:
    ways = elasticsearch(url="http://kepler:zq7-password@127.0.0.1:9", api_key=KEY)
    answer = flow.command("check", config=flow.variant(ways))
    assert answer.code == 2
    assert "[elasticsearch] url and " in answer.said
    assert "api_key: both say who asks; leave one out" in answer.said
    assert leaked(flow, answer, KEY, "zq7-password") == []
