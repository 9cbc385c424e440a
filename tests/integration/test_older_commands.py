"""The lines that users of the older scripts have in their runbooks, run in a shell from a checkout.

Host, port and credentials are put in; nothing else of a line is changed. `aws` lines are left to those who have it.
"""

from __future__ import annotations

import re
import stat
import threading
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
import psycopg
import pytest

from tests.flow_fixtures import Flow, Person
from tests.integration.shell import Said, Shell, make_shell

FETCH = "python3 scripts/fetch_inactive_contributors.py --config ~/config_integration.ini --integration"
DELETE = (
    'python3 scripts/delete_contributors_csv.py --csv "backups/inactive_contributors_10.csv" \\\n'
    "  --config ~/config_integration.ini --integration"
)
TEST = (
    'python3 scripts/test_fetch_commit_apis.py --csv "backups/inactive_contributors_10.csv" \\\n'
    '  --job-url "JOB_URL" \\\n'
    "  --config ~/config_integration.ini --integration --sample-size 3"
)
WORKFLOW = (
    "python3 comprehensive_testing_workflow.py \\\n"
    '  --project-id "PROJECT" \\\n'
    '  --job-url "JOB_URL" \\\n'
    '  --csv "backups/inactive_contributors_10.csv" --config "~/config_integration.ini"'
)
# The first test waits for three commands of its own processes.
pytestmark = pytest.mark.timeout(1500)
KICKED_OUT = "✅ Contributors successfully kicked out (fetch API failed as expected)"
SUMMARY = (
    "PostgreSQL records deleted",
    "Elasticsearch documents masked",
    "ClickHouse records masked",
    "S3 files deleted",
    "Redis sessions cleared",
)


@dataclass(frozen=True, kw_only=True)
class Runbook:
    """A world, its checkout, and what the first lines have said; people of the CSV are deleted by the workflow."""

    flow: Flow
    shell: Shell
    people: list[Person] = field(repr=False)
    before: Said
    workflow: Said
    after: Said

    def line(self, text: str) -> Said:
        return self.shell.run(filled(self.flow, text))

    @property
    def secret(self) -> str:
        return self.flow.setting("api", "job_url").rpartition("secret=")[2]


def filled(flow: Flow, text: str) -> str:
    job_url = flow.setting("api", "job_url")
    return text.replace("JOB_URL", job_url).replace("PROJECT", project_of(flow))


def project_of(flow: Flow) -> str:
    job = flow.setting("api", "job_url").partition("?")[0].rpartition("/")[2]
    (row,) = flow.sql("select project_id::text as id from jobs where job_id::text = %s", job)
    return str(row["id"])


def place_csv(shell: Shell, people: list[Person]) -> None:
    (shell.root / "backups").mkdir(exist_ok=True)
    rows = "".join(f"{person.contributor_id},{person.email}\n" for person in people)
    csv = shell.root / "backups" / "inactive_contributors_10.csv"
    csv.write_text(f"contributor_id,email_address\n{rows}", encoding="utf-8")


@pytest.fixture(scope="module")
def runbook(flow: Flow) -> Runbook:
    shell = make_shell(flow)
    people = [*flow.plain()[:2], *flow.plain(inactive=False)[:2]]
    place_csv(shell, people)
    before = shell.run(filled(flow, TEST))
    workflow = shell.run(filled(flow, WORKFLOW))
    after = shell.run(filled(flow, f"{TEST} --fetch-only --debug"))
    return Runbook(flow=flow, shell=shell, people=people, before=before, workflow=workflow, after=after)


def test_before_a_deletion_both_calls_succeed(runbook: Runbook) -> None:
    assert runbook.before.code == 0, runbook.before
    assert "✅ 3 of 3 contributors can fetch and commit" in runbook.before.lines
    assert KICKED_OUT not in runbook.before.out


def test_the_workflow_routes_tests_deletes_tests_again_and_verifies(runbook: Runbook) -> None:
    said = runbook.workflow
    assert said.code == 0, said
    told = [line for line in said.lines if line.startswith(("──", "✅ Found", KICKED_OUT))]
    steps = [line.removeprefix("── ") for line in told if line.startswith("──")]
    assert steps == [
        "connections",
        "route",
        "test before",
        "delete",
        "test after",
        "verify Elasticsearch",
        "verify ClickHouse",
    ]
    assert "✅ The job has 10 of 10 units of the project" in said.lines
    for text in SUMMARY:
        assert re.search(rf"^✅ {text}: \d+$", said.out, flags=re.MULTILINE), text
    assert said.lines.count(KICKED_OUT) == 2
    assert "3 sessions from before and 3 logins denied" in said.out


def test_what_the_workflow_found_is_what_users_find_by_curl(runbook: Runbook) -> None:
    flow, shell = runbook.flow, runbook.shell
    search = flow.setting("elasticsearch", "url")
    found = shell.run(
        f'curl -s -X GET "$ELASTICSEARCH_URL/project-{project_of(flow)}/_search" -H "Content-Type: application/json" '
        """-d '{"query": {"term": {"latest.workerEmail": "DELETED_USER"}}}'""",
        ELASTICSEARCH_URL=search,
    )
    documents = re.search(r'"hits":\{"total":\{"value":(\d+)', found.out)
    assert documents
    assert (
        f"✅ Found {documents.group(1)} documents with DELETED_USER in Elasticsearch"
        in runbook.workflow.lines
    )
    port = flow.setting("clickhouse", "port")
    counted = shell.run(
        f'curl -s -X POST "http://127.0.0.1:{port}/" -H "Content-Type: text/plain" -H "X-ClickHouse-User: kepler" '
        f'-H "X-ClickHouse-Key: {flow.setting("clickhouse", "password")}" '
        """-d "SELECT COUNT(*) FROM kepler.unit_metrics WHERE email = 'DELETED_USER'" """
    )
    assert int(counted.out) > 0
    assert f"✅ Found {int(counted.out)} records with DELETED_USER in ClickHouse" in runbook.workflow.lines
    assert shell.run(f'curl -s "http://127.0.0.1:{port}/ping"').out.strip() == "Ok."
    health = shell.run('curl -s "$ELASTICSEARCH_URL/_cluster/health"', ELASTICSEARCH_URL=search)
    assert '"status":' in health.out


def test_after_the_deletion_the_same_line_says_that_they_are_kicked_out(runbook: Runbook) -> None:
    assert runbook.after.code == 0, runbook.after
    assert KICKED_OUT in runbook.after.lines
    assert "3 logins denied, while the control contributor can work" in runbook.after.out
    said = [line for line in runbook.after.err.splitlines() if line.startswith("   debug: ")]
    assert said.count("   debug: a contributor: locked_out, since login was denied (403)") == 3
    assert said[-1] == "   debug: the control contributor: fetch succeeded (200)"
    assert "debug:" not in runbook.before.err


@pytest.mark.full
def test_the_workflow_once_more_finds_nothing_left_to_do(runbook: Runbook) -> None:
    again = runbook.line(WORKFLOW)
    assert again.code == 0, again
    assert "✅ Nothing to do: no contributor of the CSV is left to erase" in again.lines
    assert KICKED_OUT in again.lines


def test_whoever_has_a_wrong_secret_is_told_so_and_nothing_is_changed(runbook: Runbook) -> None:
    job_url = runbook.flow.setting("api", "job_url").replace("secret=", "secret=not-")
    csv = runbook.flow.csv(runbook.flow.plain()[2:3])
    tested = ("test-apis", "--csv", csv, "--job-url", job_url)
    whole = ("workflow", "--csv", csv, "--job-url", job_url, "--project-id", project_of(runbook.flow))
    for line in (tested, whole):
        wrong = runbook.flow.command(*line)
        assert wrong.code == 1, wrong.said
        assert "the control contributor too, so nothing is proven: the secret is wrong" in wrong.err
        assert KICKED_OUT not in wrong.said
        assert "not-" not in wrong.said
    assert [step["state"] for step in wrong.result["steps"]] == ["done", "failed", "failed"]
    statuses = runbook.flow.sql(
        "select status from contributors where contributor_id::text = %s",
        runbook.flow.plain()[2].contributor_id,
    )
    assert statuses == [{"status": "active"}]


@pytest.mark.parametrize("url", ["", "nonsense", "https://client.example.com/quality/jobs/27f196f6"])
def test_a_malformed_job_url_is_refused_before_anything_starts(runbook: Runbook, url: str) -> None:
    csv = runbook.flow.csv(runbook.people)
    for line in (("test-apis",), ("workflow", "--project-id", "p1"), ("delete", "--execute")):
        refused = runbook.flow.command(*line, "--csv", csv, "--job-url", url)
        assert refused.code == 2, refused.said
        assert "The job URL" in refused.result["problems"][0]
        assert "──" not in refused.said


def test_every_run_has_a_log_file_and_none_holds_the_secret_or_a_person(runbook: Runbook) -> None:
    assert len(runbook.shell.logs("test-apis")) >= 2
    assert runbook.shell.logs("workflow")
    hidden = [runbook.secret, *(value for person in runbook.people for value in person.values)]
    backups = runbook.shell.root / "var" / "backups"
    written = [
        path
        for path in (runbook.shell.root / "var").rglob("*")
        if path.is_file() and not path.is_relative_to(backups)
    ]
    holding = {str(p) for p in written for value in hidden if value.encode() in p.read_bytes()}
    assert holding == set()
    said = "".join(s.out + s.err for s in (runbook.before, runbook.workflow, runbook.after))
    assert [value for value in hidden if value in said] == []


def test_csvs_of_what_was_changed_are_kept_for_their_owner_until_the_undo_window_ends(
    runbook: Runbook,
) -> None:
    (folder,) = (runbook.shell.root / "var" / "backups").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    kept = {str(path.relative_to(folder)): path for path in folder.rglob("*.csv")}
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept.values()} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in kept.values()} == {0o700}
    texts = {name: path.read_text(encoding="utf-8").lower() for name, path in kept.items()}
    emails = [person.email.lower() for person in runbook.people]
    assert all(email in texts["postgres/contributors.csv"] for email in emails)
    for name in ("clickhouse/unit_metrics.csv", "elasticsearch/units.csv"):
        assert any(email in texts[name] for email in emails), name
    controls = [p for p in runbook.flow.people.values() if p not in runbook.people]
    # A document is of many people, and is kept as a whole.
    of_one = "".join(text for name, text in texts.items() if not name.startswith("elasticsearch"))
    assert [p.contributor_id for p in controls if p.email.lower() in of_one] == []

    with psycopg.connect(runbook.flow.dsn) as connection:
        connection.execute(
            "update erasure.batches set due_at = now() - interval '1 day' where batch_id = %s", (folder.name,)
        )
    line = ".venv/bin/python -m dagster_defs.cli.main --config ~/config.ini expire"
    assert runbook.shell.run(line).code == 0
    assert not folder.exists()


def test_fetch_says_in_a_dry_run_what_it_would_export(runbook: Runbook) -> None:
    dry = runbook.line(f"{FETCH} --dry-run")
    assert dry.code == 0, dry
    assert re.search(r"^✅ Found \d+ inactive contributors", dry.out, flags=re.MULTILINE)
    assert [path.name for path in (runbook.shell.root / "backups").iterdir()] == [
        "inactive_contributors_10.csv"
    ]


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_the_clickhouse_script_sets_the_variables_and_tests_the_connection(
    runbook: Runbook, shell: str
) -> None:
    line = (
        "set -eu; . ./setup_clickhouse_env.sh; "
        'curl -s "$CLICKHOUSE_URL/?query=SELECT%2042" -H "X-ClickHouse-User: $CLICKHOUSE_USERNAME" '
        '-H "X-ClickHouse-Key: $CLICKHOUSE_PASSWORD"'
    )
    said = runbook.shell.run(line, shell=shell)
    assert said.code == 0, said
    assert said.lines[0].startswith("✅ ClickHouse ")
    assert said.lines[-1] == "42"
    assert runbook.flow.setting("clickhouse", "password") not in said.out + said.err


def test_the_clickhouse_script_says_how_to_forward_the_port_and_leaves_the_shell_alive(
    runbook: Runbook,
) -> None:
    text = (runbook.shell.home / "config.ini").read_text(encoding="utf-8")
    port = runbook.flow.setting("clickhouse", "port")
    (runbook.shell.home / "away.ini").write_text(text.replace(f"port = {port}", "port = 1"), encoding="utf-8")
    said = runbook.shell.run('source setup_clickhouse_env.sh --config ~/away.ini; echo "ended with $?"')
    assert "⚠️  ClickHouse connection failed (expected if port-forward not active)" in said.err
    assert "kubectl port-forward clickhouse-0 8123:8123 9000:9000" in said.err
    assert said.lines == ["ended with 1"]
    wrong = runbook.shell.run("source setup_clickhouse_env.sh; echo $?", CLICKHOUSE_PASSWORD="wrong-password")
    assert "does not accept the credentials" in wrong.err
    assert "wrong-password" not in wrong.out + wrong.err
    missing = runbook.shell.run("source setup_clickhouse_env.sh --config ~/none.ini; echo $?")
    assert missing.lines == ["2"]


def test_redis_answers_users_by_hand(runbook: Runbook) -> None:
    port = runbook.flow.setting("redis", "port")
    said = runbook.shell.run(
        f".venv/bin/redis-cli -h 127.0.0.1 -p {port} ping",
        REDISCLI_AUTH=runbook.flow.setting("redis", "password"),
    )
    assert said.out.strip() == "PONG"


@pytest.mark.full
def test_the_secret_of_a_job_url_stands_in_no_argument_of_the_process_that_does_the_work(
    runbook: Runbook,
) -> None:
    said: list[Said] = []
    line = threading.Thread(target=lambda: said.append(runbook.line(f"{TEST} --fetch-only")))
    line.start()
    seen: set[str] = set()
    while line.is_alive():
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                seen.add(" ".join(process.cmdline()))
        line.join(0.05)
    assert said[0].code == 0, said[0]
    at_work = {arguments for arguments in seen if "dagster_defs.cli.main" in arguments}
    assert at_work
    assert [arguments for arguments in at_work if runbook.secret in arguments] == []


@pytest.mark.full
def test_the_other_lines_fetch_plan_delete_and_test(runbook: Runbook) -> None:
    few = runbook.line(f"{FETCH} \\\n  --days-inactive 30 --max-contributors 1 --execute")
    assert few.code == 0, few
    whole = runbook.line(f"{FETCH} --execute")
    assert whole.code == 0, whole
    exported = sorted((runbook.shell.root / "backups").glob("inactive_contributors_????????_??????.csv"))
    assert exported and str(exported[-1]) in whole.out
    people = runbook.flow.plain()[2:4]
    place_csv(runbook.shell, people)
    assert runbook.line(TEST).code == 0
    dry = runbook.line(f"{DELETE} --dry-run")
    assert dry.code == 0 and "dry run: nothing was changed" in dry.out
    assert runbook.line(f"{TEST} --fetch-only").code == 0
    done = runbook.line(f"{DELETE} --execute")
    # The sessions of the test in between are counted and left out of drift, since they expire by themselves.
    assert done.code == 0, done
    for text in SUMMARY:
        assert re.search(rf"^✅ {text}: \d+$", done.out, flags=re.MULTILINE), text
    after = runbook.line(TEST)
    assert (after.code, KICKED_OUT in after.lines) == (0, True)
    (runbook.shell.root / "backups" / "inactive_contributors_10.csv").unlink()
