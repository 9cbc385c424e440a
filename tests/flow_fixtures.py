"""A loaded world with the product pointed at it: what the tests of the whole flow start from.

Holds: `Flow`, one module's world, configuration and runtime directory, with the command run in this process or in one
of its own; `Person`, everything a test must know of somebody; the fixture `flow`.
Add here: what both the integration and the fault tests need to set a scene.
Keep out: reading engines afterwards (`integration/raw_look.py`) and what must hold then (`integration/outcome.py`).
"""

from __future__ import annotations

import configparser
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from erasure.settings import CONFIG_VARIABLE, ENVIRONMENT, PROJECT_ROOT, VAR_VARIABLE
from sandbox.loading import load
from sandbox.supervisor import Sandbox
from tests.sandbox_fixtures import make_root

if TYPE_CHECKING:
    from dagster import ExecuteInProcessResult

    from dagster_defs.launch import Outcome

CONTRIBUTORS = 60
DAGSTER_VARIABLE = "CONTRIBUTOR_DELETION_DAGSTER"
_EVERYBODY = """
select c.contributor_id::text, c.email, c.full_name, c.phone, c.merged_into::text,
    array(select a.email from contributor_aliases a where a.contributor_id = c.contributor_id) as aliases,
    array(select distinct p.iban from payments p
          where p.contributor_id = c.contributor_id and p.iban is not null) as ibans,
    greatest(c.created_at, max(l.created_at)) < now() - interval '365 days' as inactive,
    c.status = 'active' and not exists (select from legal_holds h
        where h.contributor_id = c.contributor_id and h.released_at is null)
    and not exists (select from payments p where p.contributor_id = c.contributor_id and p.status = 'pending')
    and not exists (select from disputes d join judgments j using (judgment_id)
        where j.contributor_id = c.contributor_id and d.status = 'open')
    and c.merged_into is null
    and not exists (select from contributors m where m.merged_into = c.contributor_id) as simple
from contributors c left join login_events l using (contributor_id)
group by c.contributor_id order by c.contributor_id
"""


@dataclass(frozen=True, kw_only=True)
class Person:
    """An account before anything happened to it. `simple`: neither held back by anything nor merged with another."""

    contributor_id: str
    email: str = field(repr=False)
    full_name: str = field(repr=False)
    phone: str | None = field(repr=False)
    merged_into: str | None
    aliases: tuple[str, ...] = field(repr=False)
    ibans: tuple[str, ...] = field(repr=False)
    inactive: bool
    simple: bool

    @property
    def emails(self) -> tuple[str, ...]:
        return (self.email, *self.aliases)

    @property
    def values(self) -> tuple[str, ...]:
        """Everything by which this person could be recognised, but for the opaque id."""
        return (*self.emails, self.full_name, *([self.phone] if self.phone else []), *self.ibans)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a command ended, and what it said; `result` is the JSON object of `--output json`."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One world and the product's configuration for it, with a runtime directory of its own."""

    root: Path
    config: Path
    people: Mapping[str, Person]
    edge_people: Mapping[str, str]
    dsn: str = field(repr=False)

    @property
    def var(self) -> Path:
        return self.root / "var"

    def edge(self, *parts: str) -> list[Person]:
        """The people who play these parts."""
        return [self.people[self.edge_people[part]] for part in parts]

    def plain(self, *, inactive: bool = True) -> list[Person]:
        """People without any part, whom nothing holds back; always in the same order."""
        with_parts = set(self.edge_people.values())
        return [
            person
            for person in self.people.values()
            if person.simple and person.inactive is inactive and person.contributor_id not in with_parts
        ]

    def csv(self, people: Iterable[Person]) -> Path:
        """A CSV that names these people."""
        rows = [f"{person.contributor_id},{person.email}\n" for person in people]
        return self.file("contributor_id,email_address\n" + "".join(rows))

    def file(self, content: str | bytes) -> Path:
        """A new CSV file with this content."""
        path = self.root / f"request-{uuid4().hex[:8]}.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def variant(self, changes: Mapping[tuple[str, str], str]) -> Path:
        """Another configuration file that differs in these (section, key)."""
        ini = configparser.RawConfigParser()
        ini.read_string(self.config.read_text(encoding="utf-8"))
        for (section, key), value in changes.items():
            ini.set(section, key, value)
        return _write(ini, self.root / f"config-{uuid4().hex[:8]}.ini")

    def setting(self, section: str, key: str) -> str:
        ini = configparser.RawConfigParser()
        ini.read_string(self.config.read_text(encoding="utf-8"))
        return ini.get(section, key)

    def command(self, *arguments: str | Path, config: Path | None = None, **environment: str) -> Answer:
        """The command in this process, which has its imports done; with `--output json`."""
        return self.invoke(*self.arguments(*arguments, config=config), **environment)

    def invoke(self, *arguments: str, **environment: str) -> Answer:
        """The same with exactly these arguments, and with these variables besides the flow's own."""
        from typer.testing import CliRunner

        from dagster_defs.cli.main import app

        with self.surroundings(**environment):
            try:
                told = CliRunner().invoke(app, arguments)
            finally:
                _close_logs()
        if told.exception is not None and not isinstance(told.exception, SystemExit):
            raise told.exception
        return Answer(code=told.exit_code, out=told.stdout, err=told.stderr)

    @contextmanager
    def surroundings(self, **more: str) -> Iterator[None]:
        """This process with the flow's environment, as before afterwards."""
        with pytest.MonkeyPatch.context() as patch:
            for name in (CONFIG_VARIABLE, *ENVIRONMENT):
                # Set first, so that what the product itself sets is undone as well.
                patch.setenv(name, "")
            for name, value in {**self.environment, **more}.items():
                patch.setenv(name, value)
            yield

    def launch(self, job_name: str, batch_id: str, config: Mapping[str, Mapping[str, Any]]) -> Outcome:
        """A run of an asset job on a batch's partition, as it is launched in the UI; `config` is by step."""
        from dagster_defs.launch import launch
        from erasure.settings import load_settings

        with self.surroundings(**{CONFIG_VARIABLE: str(self.config)}):
            return launch(
                load_settings(self.config, environ={}),
                job_name=job_name,
                batch_id=batch_id,
                config=config,
                on_step=lambda *what: None,
            )

    def request(self, **config: Any) -> ExecuteInProcessResult:
        """A run of `request_deletion` with this config, on the flow's own instance, as it is launched in the UI."""
        from dagster import DagsterInstance

        from dagster_defs.definitions import defs

        with self.surroundings(**{CONFIG_VARIABLE: str(self.config)}), DagsterInstance.get() as instance:
            return defs.resolve_job_def("request_deletion").execute_in_process(
                run_config={"ops": {"request": {"config": config}}}, instance=instance, raise_on_error=False
            )

    def runs(self, batch_id: str) -> dict[str, str]:
        """The runs that have the batch as tag: their ids, and the job of each."""
        from dagster import DagsterInstance, RunsFilter

        # Whoever has run nothing in this process has not told it where the instance is described.
        with self.surroundings(DAGSTER_HOME=str(PROJECT_ROOT)), DagsterInstance.get() as instance:
            found = instance.get_runs(filters=RunsFilter(tags={"batch": batch_id}))
        return {run.run_id: run.job_name for run in found}

    def process(
        self, *arguments: str | Path, out: IO[str], err: IO[str], config: Path | None = None
    ) -> subprocess.Popen[str]:
        """The command as a process, as users have it; whoever starts it waits for it or ends it.

        It writes to files: a pipe would fill up while nobody reads it.
        """
        inherited = {
            name: value for name, value in os.environ.items() if name not in (CONFIG_VARIABLE, *ENVIRONMENT)
        }
        return subprocess.Popen(
            [sys.executable, "-m", "dagster_defs.cli.main", *self.arguments(*arguments, config=config)],
            cwd=PROJECT_ROOT,
            env={**inherited, **self.environment},
            stdout=out,
            stderr=err,
            text=True,
        )

    def arguments(self, *arguments: str | Path, config: Path | None) -> list[str]:
        named = ["--config", str(config or self.config), "--output", "json"]
        return [*named, *(str(argument) for argument in arguments)]

    @property
    def environment(self) -> dict[str, str]:
        return {VAR_VARIABLE: str(self.var), DAGSTER_VARIABLE: str(self.var / "dagster")}

    def sql(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """A statement in the world's database, committed; its rows, where it has any."""
        with psycopg.connect(self.dsn, row_factory=dict_row) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def flow(sandbox: Sandbox) -> Iterator[Flow]:
    """A flow of a module's own."""
    yield from fresh_flow(sandbox)


def fresh_flow(sandbox: Sandbox) -> Iterator[Flow]:
    """A fresh world in the sandbox's own places, where the job API looks too; they are emptied afterwards."""
    summary = load(sandbox, labels=None, contributors=CONTRIBUTORS, seed=7, progress=lambda *_: None)
    config = sandbox.config
    root = make_root()
    ini = configparser.RawConfigParser()
    ini.read_string(config.config_path.read_text(encoding="utf-8"))
    with psycopg.connect(config.postgres_dsn, row_factory=dict_row) as connection:
        rows = connection.execute(_EVERYBODY).fetchall()
    people = [
        Person(**{**row, "aliases": tuple(row["aliases"]), "ibans": tuple(row["ibans"])}) for row in rows
    ]
    (root / "var" / "dagster").mkdir(parents=True)
    yield Flow(
        root=root,
        config=_write(ini, root / "config.ini"),
        people={person.contributor_id: person for person in people},
        edge_people=summary.edge_people,
        dsn=config.postgres_dsn,
    )
    with psycopg.connect(config.postgres_dsn) as connection:
        connection.execute("drop schema if exists erasure cascade")
        connection.execute("drop schema public cascade; create schema public")
    httpx.delete(f"{config.search_url}/project-*", timeout=60, trust_env=False).raise_for_status()
    shutil.rmtree(root, ignore_errors=True)


def _write(ini: configparser.RawConfigParser, path: Path) -> Path:
    with path.open("w", encoding="utf-8") as file:
        ini.write(file)
    path.chmod(0o600)
    return path


def _close_logs() -> None:
    """A command opens its log file for the life of its process, which here is that of all tests."""
    log = logging.getLogger("contributor_deletion")
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
