"""Inventories that are wrong: each fault is written into a real copy of the dbt project, and met by the real command.

Holds: faults that dbt takes without a word (one copy, a world for each, parsed once), faults that dbt or YAML refuses
(a copy each), and an inventory that the stores do not agree with.
Add here: a fault that somebody has made, with what is said of it.
Keep out: sentences one by one (`tests/unit/test_inventory.py`, `tests/unit/test_inventory_files.py`).
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dagster_defs import dbt_runner
from erasure.settings import PROJECT_ROOT
from tests.flow_fixtures import Flow
from tests.integration.outcome import require_unchanged
from tests.integration.raw_look import look
from tests.integration.wrong_input import Case, Trial, tried


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is changed in one of kepler's five files, and what is said of it behind the file's name."""

    store: str
    old: str
    new: str
    says: str


EMAIL = "- {name: email, config: {meta: {rule: unique}}}"
JOBS = "      - name: jobs\n"
PEOPLE = "subject: {contributor_id: contributor_id}\n            primary_key: [contributor_id]"
# Faults of which dbt says nothing: (store, what stands there, what is put in its place, what is said).
SILENT = tuple(
    Fault(store=store, old=old, new=new, says=says)
    for store, old, new, says in (
        (
            "postgres",
            "rule: unique",
            "rule: uniqe",
            ".contributors.email: rule 'uniqe' is not known; expected one of",
        ),
        ("postgres", "rule: unique", "rule: null", ".contributors.email: rule: expected a text"),
        (
            "postgres",
            "{rule: unique}",
            "{mask: null}",
            ".contributors.email: unknown key mask; a column knows elements",
        ),
        (
            "postgres",
            EMAIL,
            EMAIL.replace("meta", "mete"),
            ".contributors.email: config: unknown key mete; did you mean",
        ),
        (
            "postgres",
            "rule: unique",
            "rule: delete",
            ".contributors.email: delete is for whole records and stands in the meta",
        ),
        ("postgres", "rule: unique", "rule: keep", ".contributors.email: keep needs a reason"),
        ("postgres", EMAIL, f"{EMAIL}\n          {EMAIL}", ".contributors.email: is declared a second time"),
        (
            "postgres",
            "columns:\n          " + EMAIL,
            "colums:\n          " + EMAIL,
            ".contributors: unknown key colums",
        ),
        ("postgres", PEOPLE, "primary_key: [contributor_id]", ".contributors: needs a subject"),
        ("postgres", PEOPLE, PEOPLE.partition("\n")[0], ".contributors: needs primary_key"),
        (
            "postgres",
            PEOPLE,
            PEOPLE.replace("[", "").replace("]", ""),
            ".contributors: primary_key: expected a list",
        ),
        ("postgres", "subject: {via", "subject: {vai", ".disputes: subject.vai: is not a known key"),
        (
            "postgres",
            "table: judgments, column",
            "table: judgements, column",
            ".disputes: via.table judgements is no",
        ),
        (
            "postgres",
            "            access:",
            "            acces:",
            ".contributors: unknown key acces; postgres knows access",
        ),
        (
            "postgres",
            "column: status, active",
            "column: state, active",
            ".contributors: access.column state is none",
        ),
        (
            "postgres",
            '{waived: "customers\' jobs; no contributor in it"}',
            "{waived: false}",
            ".jobs: waived: expected a",
        ),
        (
            "postgres",
            JOBS,
            "      - name: jobs-2026\n",
            ".jobs-2026: a name has letters, digits and underscores only",
        ),
        ("postgres", JOBS, f"{JOBS}        identifier: projects\n", ": projects is declared by models/"),
        (
            "postgres",
            "store: postgres",
            "store: mysql",
            "store 'mysql' is not known; expected one of postgres",
        ),
        ("postgres", "store: postgres", "store: redis", "a source of redis is named "),
        (
            "clickhouse",
            "rule: truncate_ip",
            "rule: delete",
            ".app_events.ip: delete is for whole records",
        ),
        (
            "clickhouse",
            "primary_key: [event_id]",
            "primary-key: [event_id]",
            ".app_events: unknown key primary-key",
        ),
        (
            "elasticsearch",
            'index: "project-*"',
            'idnex: "project-*"',
            ".units: unknown key idnex; elasticsearch knows",
        ),
        ("elasticsearch", ", owner: latest.workerId", "", ".units.latest.workerEmail: needs owner"),
        (
            "elasticsearch",
            "owner: latest.workerId",
            'owner: "judgments[].workerId"',
            "must stand in the same object or element",
        ),
        (
            "elasticsearch",
            "judgments[].label",
            "latest[].label",
            ".units.latest[].label: is the same field as",
        ),
        ("s3", "{contributor_id}", "{contributor}", ".contributor_files: key has braces for something other"),
        (
            "s3",
            "rule: delete",
            "rule: constant",
            ".contributor_files: rule constant is for columns of rows; an object as a whole knows delete",
        ),
        (
            "redis",
            "profile:{contributor_id}",
            "profile:{contributor_id}*",
            ".profiles: key has a * right behind",
        ),
        (
            "redis",
            "members: contributor_id",
            "member: contributor_id",
            ".online: unknown key member; redis knows ",
        ),
        (
            "redis",
            "ends_access: true",
            'ends_access: "true"',
            ".sessions: ends_access: expected true or false",
        ),
    )
)
TABLE_TWICE = "      - name: jobs\n        config: {meta: {waived: again}}\n"
# Faults that break the reading of the whole project: each needs a copy of its own.
LOUD = (
    Fault(store="postgres", old="sources:", new="sources: [", says=": line 4 is no YAML ("),
    Fault(store="redis", old="    tables:", new="\ttables:", says=": line 5 is no YAML ("),
    Fault(store="s3", old="sources:", new="sorces:", says=": unknown key sorces; did you mean sources?"),
    Fault(
        store="postgres",
        old=JOBS,
        new=f"{TABLE_TWICE}{JOBS}",
        says=": kepler_postgres.jobs: is declared a second time",
    ),
    Fault(
        store="postgres",
        old=EMAIL,
        new="- email",
        says=": kepler_postgres.contributors: a column: expected keys and",
    ),
    Fault(
        store="postgres",
        old="description: What contributors answered.",
        new='description: "{{ x( }}"',
        says=" holds Jinja; an inventory is read as it stands",
    ),
)


def copy_of_project(root: Path) -> Path:
    project = root / "dbt_project"
    shutil.copytree(dbt_runner.PROJECT_DIR, project, ignore=shutil.ignore_patterns("target", "logs"))
    return project


def inventory(project: Path, world: str, store: str) -> Path:
    return project / "models" / world / "inventory" / f"{store}.yml"


def spoil(file: Path, fault: Fault) -> None:
    text = file.read_text(encoding="utf-8")
    assert fault.old in text, fault.old
    file.write_text(text.replace(fault.old, fault.new, 1), encoding="utf-8")


@contextmanager
def on_project(project: Path) -> Iterator[None]:
    """The product with this dbt project for its own, parsed into a place of its own."""
    # A process builds its assets once: from the product's own project, or later tests would run those of a copy.
    importlib.import_module("dagster_defs.definitions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt_runner, "PROJECT_DIR", project)
        patch.setattr(dbt_runner, "CACHE_DIR", project.parent / "parsed")
        yield


@pytest.fixture(scope="module")
def worlds(flow: Flow) -> Iterator[Path]:
    """One project with a world for each silent fault, `w0` and so on: kepler's own file, spoilt."""
    project = copy_of_project(flow.root)
    for number, fault in enumerate(SILENT):
        world, store = f"w{number}", fault.store
        file = inventory(project, world, store)
        file.parent.mkdir(parents=True)
        kepler = inventory(project, "kepler", store).read_text(encoding="utf-8")
        file.write_text(kepler.replace(f"kepler_{store}", f"{world}_{store}"), encoding="utf-8")
        spoil(file, fault)
    with on_project(project):
        yield project


@pytest.fixture(scope="module")
def trial(flow: Flow, worlds: Path) -> Trial:
    cases = []
    for number, fault in enumerate(SILENT):
        config = flow.variant({("erasure", "world"): f"w{number}"})
        says = (f"models/w{number}/inventory/{fault.store}.yml: ", fault.says)
        cases.append(Case(name=f"w{number}", arguments=("check",), says=says, config=config))
    csv = flow.csv(flow.plain()[:1])
    cases.append(
        Case(
            name="delete",
            arguments=("delete", "--csv", csv, "--execute"),
            says=("models/w0/inventory/postgres.yml: w0_postgres.contributors.email: rule 'uniqe'",),
            config=flow.variant({("erasure", "world"): "w0"}),
        )
    )
    cases.append(
        Case(
            name="no such world",
            arguments=("check",),
            says=("no source named venus_<store>; set [erasure] world to a folder in dbt_project/models",),
            config=flow.variant({("erasure", "world"): "venus"}),
        )
    )
    return tried(flow, cases)


def test_what_dbt_takes_without_a_word_is_refused_with_file_and_object(trial: Trial) -> None:
    for case in trial.cases:
        trial.require_told(case)


def test_no_wrong_inventory_changes_anything_or_names_anybody(trial: Trial) -> None:
    trial.require_nothing_changed()
    trial.require_nobody_named()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A copy with which the product works, for one test to spoil."""
    copy = copy_of_project(tmp_path)
    with on_project(copy):
        yield copy


STALE = "models/kepler/masked/postgres/mask__kepler_postgres__nothing.sql"
MODELS_SAID = (
    "run `contributor-deletion inventory sync`",
    "models/kepler/masked/postgres/mask__kepler_postgres__payments.sql: is missing",
    f"{STALE}: has no table in the inventory",
    "models/kepler/masked/clickhouse/mask__kepler_clickhouse__app_events.sql: is another",
)
REPORT = "models/kepler/reporting/postgres/report__postgres__emails.sql"
REPORT_SAID = (
    "A report would change by masking",
    f"{REPORT}: the model report__postgres__emails reads the column email of kepler_postgres.contributors",
)
YML = "dbt_project/models/kepler/inventory/postgres.yml"
STORES_SAID = (
    f"postgres: column public.contributors.fax of the inventory does not exist; correct {YML}",
    f"postgres: table public.moons of the inventory does not exist; correct {YML}",
    f"postgres: table public.units is not in the inventory; register or waive it in {YML}",
)


def spoil_models(project: Path) -> None:
    masked = project / "models" / "kepler" / "masked"
    (masked / "postgres" / "mask__kepler_postgres__payments.sql").unlink()
    (project / STALE).write_text("{{ masked_rows('kepler_postgres', 'payments') }}\n")
    (masked / "clickhouse" / "mask__kepler_clickhouse__app_events.sql").write_text("select 1\n")


def spoil_reports(project: Path) -> None:
    (project / REPORT).write_text("select email from {{ source('kepler_postgres', 'contributors') }}\n")


def spoil_column(project: Path) -> None:
    fax = EMAIL.replace("email", "fax")
    fault = Fault(store="postgres", old=EMAIL, new=f"{EMAIL}\n          {fax}", says="")
    spoil(inventory(project, "kepler", "postgres"), fault)


def test_a_mask_model_that_is_missing_stale_or_another_is_named_until_it_is_written(
    flow: Flow, project: Path
) -> None:
    """Without one, what is declared would not be masked."""
    spoil_models(project)
    answer = flow.command("check")
    assert answer.code == 2, answer.said
    assert all(text in answer.said for text in MODELS_SAID)
    assert flow.command("inventory", "sync").code == 0
    assert flow.command("check").code == 0


def test_a_report_over_a_column_that_a_rule_changes_is_named(flow: Flow, project: Path) -> None:
    spoil_reports(project)
    answer = flow.command("check")
    assert answer.code == 2, answer.said
    assert all(text in answer.said for text in REPORT_SAID)


def test_a_table_or_column_that_only_the_inventory_knows_is_named(flow: Flow, project: Path) -> None:
    spoil_column(project)
    fault = Fault(store="postgres", old="- name: units", new="- name: moons", says="")
    spoil(inventory(project, "kepler", "postgres"), fault)
    answer = flow.command("check")
    assert answer.code == 1, answer.said
    assert all(text in answer.result["problems"] for text in STORES_SAID)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("- name: latest.workerEmail", "- name: latest.workerMail", "latest.workerMail"),
        ('index: "project-*"', 'index: "nowhere-*"', "no index matches nowhere-*"),
    ],
    ids=["field", "index"],
)
def test_a_field_or_index_that_only_the_inventory_knows_is_named(
    flow: Flow, project: Path, old: str, new: str, says: str
) -> None:
    spoil(
        inventory(project, "kepler", "elasticsearch"),
        Fault(store="elasticsearch", old=old, new=new, says=says),
    )
    answer = flow.command("check")
    assert answer.code == 1, answer.said
    told = "\n".join(answer.result["problems"])
    assert says in told
    assert "inventory/elasticsearch.yml" in told


@pytest.mark.full
@pytest.mark.parametrize(
    ("spoilt", "says", "code"),
    [(spoil_models, MODELS_SAID, 2), (spoil_reports, REPORT_SAID, 2), (spoil_column, STORES_SAID[:1], 3)],
    ids=["models", "reports", "column"],
)
def test_nothing_is_planned_on_such_a_project(
    flow: Flow, project: Path, spoilt: Callable[[Path], None], says: tuple[str, ...], code: int
) -> None:
    spoilt(project)
    arguments = ("delete", "--csv", flow.csv(flow.plain()[:1]), "--execute")
    trial = tried(flow, [Case(name="delete", arguments=arguments, says=says, code=code)])
    trial.require_told(trial.cases[0])
    trial.require_nothing_changed()


@pytest.mark.parametrize("fault", LOUD, ids=lambda fault: fault.says)
def test_a_project_that_cannot_be_read_is_refused_with_its_file(
    flow: Flow, fault: Fault, project: Path
) -> None:
    spoil(inventory(project, "kepler", fault.store), fault)
    for command in (("check",), ("inventory", "show")):
        answer = flow.command(*command)
        assert answer.code == 2, answer.said
        told = "\n".join(answer.result["problems"])
        assert f"inventory/{fault.store}.yml" in told
        assert fault.says in told
        assert "Unexpected" not in answer.said


def test_a_model_that_dbt_cannot_read_is_refused_with_its_file(flow: Flow, project: Path) -> None:
    (project / "models" / "targets" / "people.sql").write_text("select * from {{ ref('nowhere') }}")
    csv = flow.csv(flow.plain()[:1])
    for command in (("check",), ("fetch",), ("delete", "--csv", csv)):
        answer = flow.command(*command)
        assert answer.code == 2, answer.said
        (problem,) = answer.result["problems"]
        assert problem.startswith("dbt cannot read the project: ")
        assert "models/targets/people.sql" in problem
        assert "nowhere" in problem


def test_a_table_in_two_files_is_named_with_both(flow: Flow, project: Path) -> None:
    inventory(project, "kepler", "postgres_more").write_text(
        f"sources:\n  - name: kepler_postgres\n    schema: public\n    tables:\n{TABLE_TWICE}"
    )
    answer = flow.command("check")
    assert answer.code == 2
    assert answer.result["problems"][1:] == [
        "models/kepler/inventory/postgres_more.yml: kepler_postgres.jobs: is declared a second time; "
        "models/kepler/inventory/postgres.yml has it already"
    ]


@pytest.mark.full
def test_a_checkout_with_a_broken_inventory_says_so_in_every_command(flow: Flow, tmp_path: Path) -> None:
    """In processes of their own, as users have it: there the assets are built from the broken project too."""
    for part in ("erasure", "expectations", "dagster_defs", "dagster.yaml", "pyproject.toml"):
        source = PROJECT_ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / part)
    project = copy_of_project(tmp_path)
    spoil(inventory(project, "kepler", "redis"), LOUD[1])
    before = look(flow.config)
    csv = flow.csv(flow.plain()[:1])
    for command, code in ((("check",), 2), (("fetch",), 2), (("delete", "--csv", csv), 2), (("status",), 0)):
        told = subprocess.run(
            [sys.executable, "-m", "dagster_defs.cli.main", *flow.arguments(*command, config=None)],
            cwd=tmp_path,
            env={
                **os.environ,
                **flow.environment,
                "PYTHONPATH": str(tmp_path),
                "DAGSTER_HOME": str(tmp_path),
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert told.returncode == code, told.stderr
        assert code == 0 or "inventory/redis.yml" in told.stderr
        assert "Traceback" not in told.stderr
        assert "Unexpected" not in told.stderr
    require_unchanged(before, look(flow.config))
