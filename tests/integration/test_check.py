"""`check`: the lines that users know, for stores that answer and for those that do not.

Holds: all well, each store away, and a wrong password.
Add here: another thing that `check` looks at.
Keep out: what a store that is away does to a batch (`faults/`).
"""

import pytest

from tests.flow_fixtures import Flow

DEAD = "1"


def test_each_store_is_named_with_its_engine(flow: Flow) -> None:
    answer = flow.command("check")
    assert answer.code == 0, answer.said
    for line in ("✅ PostgreSQL: ", "✅ ClickHouse: ", "✅ Elasticsearch: ", "✅ S3: ", "✅ Redis: "):
        assert line in answer.said
    assert answer.result["problems"] == []


@pytest.mark.parametrize(
    ("section", "key", "value", "line"),
    [
        ("database", "port", DEAD, "❌ PostgreSQL connection failed (check database credentials)"),
        (
            "database",
            "password",
            "wrong-pass",
            "❌ PostgreSQL connection failed (check database credentials)",
        ),
        (
            "clickhouse",
            "port",
            DEAD,
            "⚠️  ClickHouse connection failed (expected if port-forward not active)",
        ),
        ("elasticsearch", "url", f"http://127.0.0.1:{DEAD}", "⚠️  Elasticsearch connection failed"),
        ("s3", "bucket_name", "no-such-bucket", "⚠️  S3 access denied (check AWS credentials)"),
        ("redis", "password", "wrong-pass", "❌ Redis connection failed"),
    ],
)
def test_a_store_that_lets_nobody_in_is_named_and_the_others_are_looked_at(
    flow: Flow, section: str, key: str, value: str, line: str
) -> None:
    answer = flow.command("check", config=flow.variant({(section, key): value}))
    assert answer.code == 1
    assert line in answer.said
    assert answer.said.count("✅") == 4
    assert any(f"[{section}]" in problem for problem in answer.result["problems"])
    assert "wrong-pass" not in answer.said
