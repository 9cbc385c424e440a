"""ClickHouse: a tenth of all metrics masked, by the product, by one mutation by hand, and by one a contributor.

Each run has the same parts: they are attached from a table that nobody changes, which copies nothing.
Add here: another way of doing the same.
Keep out: PostgreSQL, and how a run is measured.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from bench import scene
from bench.measuring import Measured, WrongOutcome, measured, median_of
from bench.results import Result
from bench.scene import ID_PREFIX, JOB, PROJECT, UNIT, Size
from erasure.settings import PROJECT_ROOT
from erasure.stores.base import no_progress
from erasure.stores.clickhouse.store import ClickHouseStore
from sandbox.config import SandboxConfig

TABLE = "unit_metrics"
_DDL = PROJECT_ROOT / "sandbox" / "world" / "ddl_clickhouse.sql"
_MASKED = "select count() from kepler.unit_metrics where email = 'DELETED_USER'"


class ClickHouseBench:
    """The tables of a bench, and the ways over them; `say` is told what begins."""

    def __init__(
        self, config: SandboxConfig, engine_pid: int, size: Size, say: Callable[[str], None]
    ) -> None:
        self._config = config
        self._pid = engine_pid
        self._size = size
        self._say = say
        self._settings = scene.settings_of(config, config.postgres_database)
        self._client: Client = clickhouse_connect.get_client(
            host=config.host,
            port=config.clickhouse_port,
            username=config.clickhouse_user,
            password=config.clickhouse_password,
            autogenerate_session_id=False,
            send_receive_timeout=3600,
        )

    def run(self) -> list[Result]:
        """All ways, ours and by hand by the median of their runs; the tables are gone at the end."""
        with self._made():
            ours, recount = self._ours()
            runs = []
            for _ in range(self._size.repeats):
                self._refill()
                runs.append(measured(self._bare, self._pid))
                self._require_done(self._size.targets)
                self._say(f"clickhouse: one mutation by hand {runs[-1].seconds:.2f} s")
            bare = median_of(runs)
            sample = min(self._size.clickhouse_sample, self._size.targets)
            self._refill()
            loop = measured(lambda: self._loop(sample), self._pid)
            self._require_done(sample)
            whole = loop.seconds * self._size.targets / sample
            self._say(f"clickhouse: a mutation a contributor, {sample} of them {loop.seconds:.2f} s")
        return [
            Result(
                store="clickhouse",
                work="mask against a mutation a contributor",
                contributors=self._size.targets,
                records=self._size.metrics // 10,
                ours_s=round(ours.seconds, 3),
                bare_s=round(bare.seconds, 3),
                per_contributor_s=round(whole, 3),
                per_contributor_sample=sample,
                peak_rss_mb=ours.own_mb,
                engine_peak_mb=ours.engine_mb,
                recount_s=round(recount, 3),
            )
        ]

    def _ours(self) -> tuple[Measured, float]:
        store = ClickHouseStore(
            settings=self._settings.clickhouse,
            **scene.store_arguments(self._settings, "clickhouse", TABLE),
        )
        targets = scene.targets_of(self._size)
        runs, recounts = [], []
        for _ in range(self._size.repeats):
            self._refill()
            # dbt parses and compiles once a process, whatever it masks.
            store.count(targets)
            run = measured(lambda: store.mask(targets, no_progress), self._pid)
            recount = measured(lambda: store.count(targets), self._pid)
            self._require_done(self._size.targets)
            runs.append(
                Measured(seconds=run.seconds - recount.seconds, own_mb=run.own_mb, engine_mb=run.engine_mb)
            )
            recounts.append(recount)
            self._say(
                f"clickhouse: mask {runs[-1].seconds:.2f} s, and {recount.seconds:.2f} s to count again"
            )
        return median_of(runs), median_of(recounts).seconds

    def _bare(self) -> None:
        self._client.command(
            "alter table kepler.unit_metrics update email = 'DELETED_USER'"
            " where contributor_id in (select contributor_id from kepler_pristine.targets) settings mutations_sync = 2"
        )

    def _loop(self, contributors: int) -> None:
        for number in range(contributors):
            self._client.command(
                "alter table kepler.unit_metrics update email = 'DELETED_USER'"
                f" where contributor_id = '{scene.contributor_id(number)}' settings mutations_sync = 2"
            )

    def _require_done(self, contributors: int) -> None:
        expected = self._size.metrics // self._size.contributors * contributors
        found = int(str(self._client.command(_MASKED)))
        if found != expected:
            raise WrongOutcome(f"clickhouse: {found} metrics are masked, expected {expected}")

    @contextmanager
    def _made(self) -> Iterator[None]:
        """Kepler's tables, empty, and beside them the metrics that nobody changes and the targets' ids."""
        size = self._size
        self._say(f"clickhouse: making {size.metrics} metrics of {size.contributors} contributors")
        self._drop()
        try:
            for database in ("kepler", "kepler_pristine"):
                self._client.command(f"create database {database}")
            self._client.database = "kepler"
            for statement in filter(str.strip, _DDL.read_text().split(";")):
                self._client.command(statement)
            self._client.command("create table kepler_pristine.unit_metrics as kepler.unit_metrics")
            identity = (
                f"toUUID(concat('{ID_PREFIX}', leftPad(toString(number % {size.contributors}), 12, '0')))"
            )
            self._client.command(
                f"insert into kepler_pristine.unit_metrics select '{PROJECT}', '{JOB}', '{UNIT}', {identity},"
                f" concat('person', toString(number % {size.contributors}), '@example.com'),"
                " ['cat', 'dog', 'bird'][1 + number % 3], ['DE', 'BR', 'IN'][1 + number % 3], number % 300,"
                f" toDateTime('2024-01-01 00:00:00') + number from numbers({size.metrics})"
            )
            self._client.command(
                "create table kepler_pristine.targets engine = MergeTree order by contributor_id as"
                f" select {identity} as contributor_id from numbers({size.targets})"
            )
            yield
        finally:
            self._drop()
            self._client.close()

    def _refill(self) -> None:
        """The table as it was made, with the parts of the one that nobody changes."""
        self._client.command("drop table kepler.unit_metrics sync")
        self._client.command("create table kepler.unit_metrics as kepler_pristine.unit_metrics")
        self._client.command(
            "alter table kepler.unit_metrics attach partition tuple() from kepler_pristine.unit_metrics"
        )

    def _drop(self) -> None:
        self._client.database = "default"
        for database in ("kepler", "kepler_pristine", "erasure"):
            self._client.command(f"drop database if exists {database} sync")
