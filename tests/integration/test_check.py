"""`check`: the lines that users know, for stores that answer and for those that do not.

Holds: all well, what the catalogs say against the rules, each store away, and a wrong password.
Add here: another thing that `check` looks at.
Keep out: what a store that is away does to a batch (`faults/`).
"""

import psycopg
import pytest
import redis

from tests.flow_fixtures import Flow

DEAD = "1"


def test_each_store_is_named_with_its_engine(flow: Flow) -> None:
    answer = flow.command("check")
    assert answer.code == 0, answer.said
    for line in ("✅ PostgreSQL: ", "✅ ClickHouse: ", "✅ Elasticsearch: ", "✅ S3: ", "✅ Redis: "):
        assert line in answer.said
    assert answer.result["problems"] == []


def test_what_masking_will_set_off_is_told_and_what_it_cannot_write_refuses(flow: Flow) -> None:
    notice = "postgres: table public.payments: trigger audited of public.payments will run"
    with psycopg.connect(flow.dsn, autocommit=True) as raw:
        raw.execute(
            "create function audited() returns trigger language plpgsql as $$ begin return new; end $$;"
            "create trigger audited after update on payments for each row execute function audited()"
        )
        try:
            answer = flow.command("check")
            assert answer.code == 0, answer.said
            plan = flow.command("delete", "--csv", flow.csv(flow.plain()[:1]), "--dry-run")
            assert plan.code == 0, plan.said
            assert flow.command("cancel", plan.result["batch_id"]).code == 0
            for told in (answer, plan):
                (sentence,) = told.result["notices"]
                assert sentence.startswith(notice)
                assert f"   notice: {notice}" in told.said
            (kept,) = flow.sql(
                "select plan -> 'notices' as notices from erasure.batches where batch_id = %s",
                plan.result["batch_id"],
            )
            assert kept["notices"] == plan.result["notices"]

            raw.execute("alter table payments add constraint banked check (iban <> 'DELETED_USER') not valid")
            refused = flow.command("delete", "--csv", flow.csv(flow.plain()[:1]), "--dry-run")
            for told in (flow.command("check"), refused):
                assert told.code in (1, 3), told.said
                assert "CHECK constraint banked refuses what its rule constant writes" in told.said
            assert refused.result["state"] == "refused"
        finally:
            raw.execute(
                "drop trigger audited on payments; drop function audited;"
                "alter table payments drop constraint if exists banked"
            )


@pytest.mark.full
def test_what_the_user_of_redis_may_not_do_is_told_and_refuses_before_anything_changes(flow: Flow) -> None:
    host, port, db, password = (flow.setting("redis", key) for key in ("host", "port", "db", "password"))
    with redis.Redis(host=host, port=int(port), db=int(db), password=password) as admin:
        rights = ("on", ">made-up-word", "~*", "+@all", "-unlink", "-bgsave")
        admin.execute_command("ACL", "SETUSER", "narrow", *rights)
        try:
            before = {key: admin.dump(key) for key in admin.keys("*")}
            config = flow.variant({("redis", "username"): "narrow", ("redis", "password"): "made-up-word"})
            csv = flow.csv(flow.plain()[:1])
            refused = flow.command("delete", "--csv", csv, "--dry-run", config=config)
            for told in (flow.command("check", config=config), refused):
                assert told.code in (1, 3), told.said
                assert "redis/profiles: the user of [redis] may not UNLINK keys such as" in told.said
                assert "made-up-word" not in told.said
            assert refused.result["state"] == "refused"
            assert {key: admin.dump(key) for key in admin.keys("*")} == before

            admin.execute_command("ACL", "SETUSER", "narrow", "+unlink")
            answer = flow.command("check", config=config)
            assert answer.code == 0, answer.said
            assert any(
                "redis: the user of [redis] may not BGSAVE" in each for each in answer.result["notices"]
            )
        finally:
            admin.execute_command("ACL", "DELUSER", "narrow")


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
