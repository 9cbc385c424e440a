"""Configurations that are wrong: each is refused by every command, by section and key, before anything is reached.

Holds: the table of ini files, wrong variables and flags, a file that may not be read, and passwords of odd characters
on real connections.
Add here: a file that somebody has written, with what is said of it.
Keep out: sentences one by one (`tests/unit/test_settings.py`), and stores that let nobody in.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from erasure.settings import PROJECT_ROOT, VAR_VARIABLE
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox
from tests.flow_fixtures import Flow
from tests.integration.outcome import require_unchanged
from tests.integration.raw_look import look
from tests.integration.wrong_input import Case, Trial, tried
from tests.sandbox_fixtures import redis_client

SECRET = "zq7planted-secret"
COMMANDS = ("check", "fetch", "status", "delete")
# Everything that a password may hold without being the end of it in some file, address or statement on its way.
ODD_PASSWORD = "%(host)s%;#'\"\\ {{ x }} $y @/?:&=+ é"
# Key by key as the sandbox writes it: (what stands there, what is put in its place, what is said).
WRONG_TEXTS = (
    (
        "[redis]",
        f"[rediss]\nhost = {SECRET}\n[redis]",
        "[rediss]: is not a known section; did you mean redis?",
    ),
    ("[redis]", f"[clickhouse]\nhost = {SECRET}\n[redis]", "a section stands there a second time"),
    ("[redis]", f"host = {SECRET}\n[redis]", "a key stands there a second time"),
    ("[redis]", f"{SECRET}\n[redis]", "expected `key = value` there"),
    ("[redis]", f"[DEFAULT]\nhost = {SECRET}\n[redis]", "[DEFAULT]: is not a known section"),
    ("[redis]", f"hots = {SECRET}\n[redis]", "[database] hots: is not a known key; did you mean host?"),
    ("[redis]", f"   {SECRET}\n[redis]", "[database] password: goes on in a second line"),
    ("[redis]", "[radish]", "[redis]: is missing"),
    ("[database]\n", "", "at line 1: there is something before the first [section]"),
    ("[database]\n", f"[database]\nx = {SECRET}\0\n", "[database] x: holds a control character"),
)
WRONG_VALUES = (
    ("database", "port", f"{SECRET}", "[database] port: expected a whole number"),
    ("database", "port", "70000", "[database] port: Input should be less than or equal to 65535"),
    ("database", "port", "-1", "[database] port: Input should be greater than or equal to 1"),
    ("database", "port", "", "[database] port: expected a whole number"),
    ("database", "username", "", "[database] username: is missing or empty"),
    ("database", "host", f"http://u:{SECRET}@h", "[database] host: expected a host name alone"),
    ("clickhouse", "host", f"{SECRET}:8123", "[clickhouse] host: expected a host name alone"),
    ("elasticsearch", "url", f"u:{SECRET}@search:9200", "[elasticsearch] url: expected http://HOST:PORT"),
    ("s3", "endpoint_url", f"http://u:{SECRET}@s3", "[s3] endpoint_url: expected a URL without credentials"),
    ("redis", "db", "first", "[redis] db: expected a whole number"),
    (
        "erasure",
        "max_share_of_contributors",
        "20",
        "[erasure] max_share_of_contributors: Input should be less",
    ),
    (
        "erasure",
        "require_reviewed_plan",
        "perhaps",
        "[erasure] require_reviewed_plan: expected true or false",
    ),
    ("erasure", "lease_seconds", "nan", "[erasure] lease_seconds: expected a number"),
    ("erasure", "world", "../kepler", "[erasure] world: expected letters, digits and underscores"),
)


def arguments(flow: Flow, command: str) -> tuple[str | Path, ...]:
    """The command as it would do something, if it were let."""
    more = {"fetch": ("--execute",), "delete": ("--csv", flow.csv(flow.plain()[:1]), "--execute")}
    return (command, *more.get(command, ()))


def cases_of(flow: Flow, name: str, config: Path, sentence: str) -> list[Case]:
    return [
        Case(name=f"{name}: {command}", arguments=arguments(flow, command), says=(sentence,), config=config)
        for command in COMMANDS
    ]


@pytest.fixture(scope="module")
def trial(flow: Flow) -> Trial:
    good = flow.config.read_text(encoding="utf-8")
    cases = []
    for number, (old, new, sentence) in enumerate(WRONG_TEXTS):
        assert good.count(old) == 1
        path = flow.root / f"wrong-{number}.ini"
        path.write_text(good.replace(old, new), encoding="utf-8")
        cases += cases_of(flow, sentence, path, sentence)
    for section, key, value, sentence in WRONG_VALUES:
        cases += cases_of(flow, f"{sentence} {value}", flow.variant({(section, key): value}), sentence)
    makes: dict[str, tuple[Callable[[Path], object], str]] = {
        "folder": (lambda path: path.mkdir(), "cannot be read: it is a directory; name an ini file"),
        "latin-1": (lambda path: path.write_bytes(good.encode() + b"# \xe9"), "it is not UTF-8"),
        "utf-16": (lambda path: path.write_bytes(good.encode("utf-16")), "it is not UTF-8"),
        "link": (lambda path: path.symlink_to(path), "cannot be read: the system says OSError"),
        "absent": (lambda path: None, "No configuration: "),
    }
    for name, (make, sentence) in makes.items():
        path = flow.root / f"{name}.ini"
        make(path)
        cases += cases_of(flow, name, path, sentence)
    return tried(flow, cases)


def test_a_configuration_that_is_wrong_is_refused_by_every_command(trial: Trial) -> None:
    assert len(trial.cases) > 100
    for case in trial.cases:
        trial.require_told(case)


def test_no_wrong_configuration_changes_anything_or_is_repeated(trial: Trial) -> None:
    trial.require_nothing_changed()
    trial.require_nobody_named([SECRET])


def test_a_wrong_variable_or_flag_is_named_itself(flow: Flow) -> None:
    job = "http://127.0.0.1/quality/jobs/1"
    cases = [
        Case(
            name="search",
            arguments=("status",),
            says=("ELASTICSEARCH_URL: expected http://HOST:PORT",),
            environment={"ELASTICSEARCH_URL": f"u:{SECRET}@search:9200"},
        ),
        *(
            Case(
                name=f"job URL, {command}",
                arguments=arguments(flow, command),
                says=("The job URL has no secret",),
                environment={"CONTRIBUTOR_DELETION_JOB_URL": f"{job}?secrets={SECRET}"},
            )
            for command in ("check", "delete")
        ),
        *(
            Case(
                name=f"--job-url {url}",
                arguments=(*arguments(flow, "delete"), "--job-url", url),
                says=("The job URL ",),
            )
            for url in ("", SECRET, f"ftp://h/jobs/1?secret={SECRET}", f"http://u:{SECRET}@h/jobs/1?secret=x")
        ),
        Case(
            name="no such home",
            arguments=("status",),
            config=Path("~no-such-user/x.ini"),
            says=("a home that",),
        ),
        Case(
            name="two ways", arguments=(*arguments(flow, "delete"), "--dry-run"), says=("exclude each other",)
        ),
        *(
            Case(name=f"batch, {command}", arguments=(command, "b1"), says=("There is no batch b1",))
            for command in ("status", "resume", "cancel", "verify")
        ),
    ]
    trial = tried(flow, cases)
    for case in cases:
        trial.require_told(case)
    trial.require_nothing_changed()
    trial.require_nobody_named([SECRET])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("delete", "--csv", "x.csv", "--undo-days", "1000000"), "--undo-days"),
        (("delete", "--csv", "x.csv", "--undo-days", "-1"), "--undo-days"),
        (("delete", "--csv", "x.csv", "--tolerance", "some"), "--tolerance"),
        (("fetch", "--days-inactive", "1000000"), "--days-inactive"),
        (("fetch", "--days-inactive", "0"), "--days-inactive"),
        (("fetch", "--max-contributors", "0"), "--max-contributors"),
        (("delete",), "--csv"),
        (("delte",), "delte"),
    ],
)
def test_a_flag_out_of_range_is_refused_before_anything_starts(
    flow: Flow, arguments: tuple[str, ...], said: str
) -> None:
    answer = flow.command(*arguments)
    assert answer.code == 2
    assert said in answer.err
    assert answer.out == ""


def test_without_a_file_and_without_variables_it_is_said_what_to_do(flow: Flow, tmp_path: Path) -> None:
    answer = flow.invoke("--output", "json", "status", HOME=str(tmp_path))
    assert answer.code == 2
    (problem,) = answer.result["problems"]
    assert problem == (
        f"No configuration: {tmp_path}/config.ini does not exist, and the environment does not say everything; write "
        "that file as in the README, or name another by --config or CONTRIBUTOR_DELETION_CONFIG."
    )
    assert flow.invoke("--config", "", "--output", "json", "status").code == 2


def test_a_home_is_found_by_its_sign(flow: Flow, tmp_path: Path) -> None:
    (tmp_path / "config_integration.ini").write_bytes(flow.config.read_bytes())
    for flags in (("--config", "~/config_integration.ini"), ("--integration",)):
        answer = flow.invoke(*flags, "--output", "json", "status", HOME=str(tmp_path))
        assert answer.code == 0, answer.said


def test_a_file_with_marks_remarks_and_windows_line_ends_is_read(flow: Flow) -> None:
    good = flow.config.read_text(encoding="utf-8")
    odd = good.replace("[redis]", "# a remark\n; and another\n[redis]").replace("host = ", "HOST: ")
    path = flow.root / "odd.ini"
    path.write_bytes(odd.replace("\n", "\r\n").encode("utf-8-sig"))
    answer = flow.command("check", config=path)
    assert answer.code == 0, answer.said


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that any user may pass through and write to, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_a_file_that_its_reader_may_not_read_is_refused(flow: Flow, open_to_all: Path) -> None:
    """As another user, since root may read everything; by the same command in a process of its own."""
    path = open_to_all / "closed.ini"
    path.write_bytes(flow.config.read_bytes())
    path.chmod(0o000)
    script = (
        "import os; from dagster_defs.cli.main import run\n"
        "if os.geteuid() == 0: os.setegid(65534); os.seteuid(65534)\n"
        "run()"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, "--config", path, "--output", "json", "check"],
        cwd=PROJECT_ROOT,
        env={**os.environ, VAR_VARIABLE: str(open_to_all / "var")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 2, told.stderr
    assert f"{path} cannot be read: its rights do not let this user in" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("command", "reached"),
    [("check", True), ("check", False), pytest.param("delete", False, marks=pytest.mark.full)],
)
def test_credentials_in_the_url_of_the_search_engine_are_used_and_never_told(
    flow: Flow, command: str, reached: bool
) -> None:
    host = flow.setting("elasticsearch", "url").removeprefix("http://") if reached else "127.0.0.1:1"
    config = flow.variant({("elasticsearch", "url"): f"http://user:{SECRET}@{host}"})
    case = Case(name=command, arguments=arguments(flow, command), config=config, code=0 if reached else 1)
    trial = tried(flow, [case])
    trial.require_told(case)
    trial.require_nothing_changed()
    trial.require_nobody_named([SECRET])


@pytest.fixture
def odd_passwords(sandbox: Sandbox) -> Iterator[SandboxConfig]:
    """A role of PostgreSQL and a second password of Redis that hold every sign that could end them."""
    config = sandbox.config
    with (
        psycopg.connect(config.postgres_admin_dsn, autocommit=True) as admin,
        redis_client(config) as redis,
    ):
        role, owner = sql.Identifier("odd %;role"), sql.Identifier(config.postgres_user)
        admin.execute(
            sql.SQL("create role {} login in role {} password {}").format(
                role, owner, sql.Literal(ODD_PASSWORD)
            )
        )
        redis.acl_setuser("default", enabled=True, passwords=[f"+{ODD_PASSWORD}"])
        try:
            yield config
        finally:
            redis.acl_setuser("default", enabled=True, passwords=[f"-{ODD_PASSWORD}"])
            admin.execute(sql.SQL("reassign owned by {} to {}").format(role, owner))
            with psycopg.connect(
                config.postgres_admin_dsn.replace("dbname=postgres", f"dbname={config.postgres_database}")
            ) as world:
                world.execute(sql.SQL("reassign owned by {} to {}").format(role, owner))
                world.execute(sql.SQL("drop owned by {}").format(role))
            admin.execute(sql.SQL("drop role {}").format(role))


def test_passwords_of_odd_characters_reach_the_stores_whole(flow: Flow, odd_passwords: SandboxConfig) -> None:
    config = flow.variant(
        {
            ("database", "username"): "odd %;role",
            ("database", "password"): ODD_PASSWORD,
            ("redis", "password"): ODD_PASSWORD,
        }
    )
    # The ledger is made by its usual owner, so that the look beside the product may read it.
    assert flow.command("fetch").code == 0
    before = look(flow.config)
    planned = None
    for command in ("check", "fetch", "delete", "verify"):
        csv = flow.csv(flow.plain()[:1])
        more = {"delete": ("--csv", csv, "--dry-run"), "verify": (str(planned),)}.get(command, ())
        answer = flow.command(command, *more, config=config)
        # Nobody is masked yet, so that verify finds survivors: it has read all five.
        assert answer.code == (1 if command == "verify" else 0), answer.said
        assert ODD_PASSWORD not in answer.said
        planned = answer.result["batch_id"] or planned
    assert answer.result["counts"].keys() == {"postgres", "clickhouse", "elasticsearch", "s3", "redis"}
    assert answer.result["counts"]["postgres"]["survivors"] > 0
    assert answer.result["counts"]["redis"]["survivors"] > 0
    assert flow.command("cancel", str(planned), config=config).code == 0
    require_unchanged(before, look(flow.config))
