"""PostgreSQL: a tenth of all judgments masked, by the product and by other ways.

Each run has a database of its own, copied from the same one as files, so that all begin with the same pages, indexes
and statistics.
Add here: another way of doing the same.
Keep out: ClickHouse, and how a run is measured.
"""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg

from bench import scene
from bench.measuring import Measured, WrongOutcome, measured, median_of
from bench.results import Result
from bench.scene import BATCH, ID_PREFIX, JOB, PROJECT, UNIT, Size
from erasure.counts import Count
from erasure.ledger import steps
from erasure.ledger.freezing import load_targets
from erasure.settings import PROJECT_ROOT
from erasure.stores.base import no_progress
from erasure.stores.postgres.store import PostgresStore
from sandbox.config import SandboxConfig

TABLE = "judgments"
THREADS = 4
_DDL = PROJECT_ROOT / "sandbox" / "world" / "ddl_postgres.sql"
_WITHOUT_INDEX = "drop index judgments_contributor_id"
_ID = f"('{ID_PREFIX}' || lpad((n %% {{contributors}})::text, 12, '0'))::uuid"
# The values of kepler's rules for the table, as somebody would write them by hand.
_VALUES = (
    "contributor_email = 'DELETED_USER', ip = host(network(set_masklen(ip::inet, case family(ip::inet) when 4 then 24"
    " else 48 end)))"
)
_TARGETS = (
    f"select contributor_id::uuid from erasure.targets where batch_id = '{BATCH}' and kind = 'contributor'"
)
_DONE = "select count(*) from judgments where contributor_email = 'DELETED_USER' and ip like '%.0'"


class PostgresBench:
    """The databases of a bench, and the ways over them; `say` is told what begins."""

    def __init__(
        self, config: SandboxConfig, engine_pid: int, size: Size, say: Callable[[str], None]
    ) -> None:
        self._config = config
        self._pid = engine_pid
        self._size = size
        self._say = say
        suffix = uuid.uuid4().hex[:8]
        self._pristine, self._database = f"bench_pristine_{suffix}", f"bench_run_{suffix}"
        self._settings = scene.settings_of(config, self._database)

    def run(self) -> list[Result]:
        """All ways, each by the median of its runs; the databases are gone at the end."""
        with self._made():
            ours, recount = self._ours()
            bare = self._median("one UPDATE by hand", self._bare)
            ranges = self._median(f"one UPDATE in {THREADS} ranges", self._ranges)
            one = self._median("a loop with an index", lambda: self._loop(1))
            four = self._median(f"a loop with an index in {THREADS} threads", lambda: self._loop(THREADS))
            sample = min(self._size.unindexed_sample, self._size.targets)
            without = self._median(
                "a loop without an index",
                lambda: self._loop(1, most=sample),
                prepare=_WITHOUT_INDEX,
                most=sample,
            )
            whole = without.seconds * self._size.targets / sample
        rows = (
            ("mask against an unindexed loop", ours, whole, sample),
            ("mask against an indexed loop", ours, one.seconds, self._size.targets),
            (f"mask against an indexed loop, {THREADS} threads", ours, four.seconds, self._size.targets),
            (f"one UPDATE in {THREADS} ranges (not ours)", ranges, four.seconds, self._size.targets),
        )
        return [
            Result(
                store="postgres",
                work=work,
                contributors=self._size.targets,
                records=self._records,
                ours_s=round(way.seconds, 3),
                bare_s=round(bare.seconds, 3),
                per_contributor_s=round(loop, 3),
                per_contributor_sample=count,
                peak_rss_mb=way.own_mb,
                engine_peak_mb=way.engine_mb,
                recount_s=round(recount, 3) if way is ours else 0.0,
            )
            for work, way, loop, count in rows
        ]

    @property
    def _records(self) -> int:
        return self._size.judgments // 10

    def _ours(self) -> tuple[Measured, float]:
        """The product's mask, without and with the recount that ends it."""
        runs, recounts = [], []
        for _ in range(self._size.repeats):
            with self._fresh():
                fence = scene.take_lease(self._settings)
                store = PostgresStore(
                    settings=self._settings.database,
                    fence=fence,
                    **scene.store_arguments(self._settings, "postgres", TABLE),
                )
                targets = load_targets(self._settings, batch_id=BATCH)
                pending = {TABLE: Count(records=self._records)}
                steps.begin(self._settings, batch_id=BATCH, store="postgres", stage="mask", counts=pending)
                # dbt parses and compiles once a process, whatever it masks.
                store.count(targets)
                run = measured(partial(store.mask, targets, no_progress), self._pid)
                recount = measured(partial(store.count, targets), self._pid)
                self._require_done(self._size.targets)
            runs.append(
                Measured(seconds=run.seconds - recount.seconds, own_mb=run.own_mb, engine_mb=run.engine_mb)
            )
            recounts.append(recount)
            self._say(f"postgres: mask {runs[-1].seconds:.2f} s, and {recount.seconds:.2f} s to count again")
        return median_of(runs), median_of(recounts).seconds

    def _median(
        self, name: str, way: Callable[[], None], *, prepare: str = "select 1", most: int | None = None
    ) -> Measured:
        runs = []
        for _ in range(self._size.repeats):
            with self._fresh():
                self._execute(prepare)
                runs.append(measured(way, self._pid))
                self._require_done(self._size.targets if most is None else most)
            self._say(f"postgres: {name} {runs[-1].seconds:.2f} s")
        return median_of(runs)

    def _bare(self) -> None:
        self._execute(f"update judgments set {_VALUES} where contributor_id in ({_TARGETS})")

    def _ranges(self) -> None:
        """Ranges of pages, each a transaction of its own: a ledger's row could be written with one of them alone."""
        pages = int(
            self._value("select pg_relation_size('judgments') / current_setting('block_size')::bigint")
        )
        step = -(-pages // THREADS)
        ends = [f"and ctid < '({n * step + step},0)'::tid" for n in range(THREADS - 1)] + [""]
        statements = [
            f"update judgments set {_VALUES} where ctid >= '({n * step},0)'::tid {end}"
            f" and contributor_id in ({_TARGETS})"
            for n, end in enumerate(ends)
        ]
        _in_threads([partial(self._execute, statement) for statement in statements])

    def _loop(self, threads: int, *, most: int | None = None) -> None:
        """One UPDATE a contributor, each committed, over so many connections."""
        ids = [scene.contributor_id(number) for number in range(most or self._size.targets)]
        statement = f"update judgments set {_VALUES} where contributor_id = %s::uuid"

        def work(mine: list[str]) -> None:
            with self._connect() as connection:
                for contributor_id in mine:
                    connection.execute(statement.encode(), (contributor_id,))

        _in_threads([partial(work, ids[n::threads]) for n in range(threads)])

    def _require_done(self, contributors: int) -> None:
        expected = self._size.judgments // self._size.contributors * contributors
        found = int(self._value(_DONE))
        if found != expected:
            raise WrongOutcome(f"postgres: {found} judgments are masked, expected {expected}")

    @contextmanager
    def _made(self) -> Iterator[None]:
        """The database that all others are copies of: kepler's tables, the ledger, and a frozen batch."""
        size = self._size
        self._say(f"postgres: making {size.judgments} judgments of {size.contributors} contributors")
        pristine = scene.settings_of(self._config, self._pristine)
        self._create(self._pristine, template="template0")
        try:
            identity = _ID.replace("%%", "%").format(contributors=size.contributors)
            with self._connect(self._pristine) as connection:
                connection.execute(_DDL.read_bytes())
                for statement in (
                    "alter table judgments drop constraint judgments_contributor_id_fkey",
                    f"insert into projects values ('{PROJECT}', 'bench')",
                    f"insert into jobs values ('{JOB}', '{PROJECT}', 'bench')",
                    f"insert into units values ('{UNIT}', '{JOB}', 'https://example.com')",
                    "insert into judgments (judgment_id, unit_id, job_id, contributor_id, contributor_email, label, ip,"
                    f" created_at) select n, '{UNIT}', '{JOB}', {identity},"
                    f" 'person' || n % {size.contributors} || '@example.com', (array['cat', 'dog', 'bird'])[1 + n % 3],"
                    " '198.51.100.' || 1 + n % 254, timestamptz '2024-01-01' + n * interval '10 seconds'"
                    f" from generate_series(1, {size.judgments}) as n",
                ):
                    connection.execute(statement.encode())
            scene.begin_batch(pristine, size.targets)
            with self._connect(self._pristine) as connection:
                connection.execute(b"vacuum (analyze) judgments")
            yield
        finally:
            self._drop(self._pristine)

    @contextmanager
    def _fresh(self) -> Iterator[None]:
        self._create(self._database, template=self._pristine)
        try:
            yield
        finally:
            self._drop(self._database)

    def _create(self, database: str, *, template: str) -> None:
        with self._admin() as admin:
            admin.execute(
                f"create database {database} template {template} strategy file_copy"
                f" owner {self._config.postgres_user}".encode()
            )
            # Else a checkpoint of what was copied falls into one run and not into the next.
            admin.execute(b"checkpoint")

    def _drop(self, database: str) -> None:
        with self._admin() as admin:
            admin.execute(f"drop database if exists {database} with (force)".encode())

    @contextmanager
    def _admin(self) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self._config.postgres_admin_dsn, autocommit=True) as connection:
            yield connection

    @contextmanager
    def _connect(self, database: str | None = None) -> Iterator[psycopg.Connection[Any]]:
        ours = f"dbname={self._config.postgres_database}"
        dsn = self._config.postgres_dsn.replace(ours, f"dbname={database or self._database}")
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection

    def _execute(self, statement: str) -> None:
        with self._connect() as connection:
            connection.execute(statement.encode())

    def _value(self, query: str) -> Any:
        with self._connect() as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def _in_threads(pieces: list[Callable[[], None]]) -> None:
    """All at once; the first error of any is raised."""
    errors: list[BaseException] = []

    def guarded(piece: Callable[[], None]) -> None:
        try:
            piece()
        except psycopg.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(piece,)) for piece in pieces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
