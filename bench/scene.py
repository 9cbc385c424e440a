"""The scene of a bench: how large it is, the product's settings for it, and the product's stores over one table.

Add here: what both stores' benches need.
Keep out: their data (`postgres.py`, `clickhouse.py`), made by the engines themselves and not by the world's generator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dagster_defs.dbt_models import DbtProject
from dagster_defs.worlds import inventory_of
from erasure.inventory import InventoryObject
from erasure.ledger import batches
from erasure.ledger import lease as leases
from erasure.ledger.database import connect, migrate
from erasure.settings import Settings
from erasure.stores.sql import MaskExpressions
from erasure.targets import Needle, TargetSet
from sandbox.config import SandboxConfig

BATCH = "b20260101T000000Z-be0c40"
RUN = "bench"
# Contributor number n, in both engines' spelling, and how its id and email are made.
ID_PREFIX = "c0000000-0000-4000-8000-"
PROJECT, JOB, UNIT = (f"00000000-0000-4000-8000-{number:012d}" for number in (1, 2, 3))


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much there is; every contributor has equally many records, and a tenth of them is erased."""

    judgments: int
    metrics: int
    documents: int
    contributors: int
    repeats: int = 3
    search_sample: int = 300
    clickhouse_sample: int = 5
    unindexed_sample: int = 10

    @property
    def targets(self) -> int:
        """How many contributors are to be erased."""
        return self.contributors // 10


def size_of(scale: float) -> Size:
    """1 is 2,000,000 judgments, 20,000,000 metrics and 1,000,000 documents, and 10,000 contributors erased."""
    contributors = max(20, int(100_000 * scale) // 10 * 10)
    return Size(
        judgments=20 * contributors,
        metrics=200 * contributors,
        documents=10 * contributors,
        contributors=contributors,
    )


def contributor_id(number: int) -> str:
    """The id of the so-manieth contributor, counted from 0; the first tenth is erased."""
    return f"{ID_PREFIX}{number:012d}"


def email(number: int) -> str:
    """That contributor's email."""
    return f"person{number}@example.com"


def targets_of(size: Size) -> TargetSet:
    """The first tenth, with an email each."""
    ids = [contributor_id(number) for number in range(size.targets)]
    return TargetSet(
        batch_id=BATCH,
        contributor_ids=frozenset(ids),
        needles=tuple(
            Needle(contributor_id=each, kind="email", value=email(number)) for number, each in enumerate(ids)
        ),
    )


def settings_of(config: SandboxConfig, database: str) -> Settings:
    """The product's settings for a database of the bench."""
    return Settings.model_validate(
        {
            "database": {
                "host": config.host,
                "port": config.postgres_port,
                "database": database,
                "username": config.postgres_user,
                "password": config.postgres_password,
            },
            "clickhouse": {
                "host": config.host,
                "port": config.clickhouse_port,
                "username": config.clickhouse_user,
                "password": config.clickhouse_password,
            },
            "elasticsearch": {"url": "http://localhost:1"},
            "s3": {"bucket_name": "not-used-here"},
            "redis": {},
            "erasure": {"hash_key": "made-up-key-of-the-bench"},
        }
    )


def begin_batch(settings: Settings, targets: int) -> None:
    """A frozen target set of the first contributors, as `freeze` leaves one, and the ledger around it."""
    migrate(settings.database)
    identity = f"'{ID_PREFIX}' || lpad(n::text, 12, '0')"
    with connect(settings.database) as connection:
        connection.execute(
            "insert into erasure.batches (batch_id, state, world, fingerprint)"
            f" values ('{BATCH}', 'planned', 'kepler', 'bench')"
        )
        connection.execute(
            "insert into erasure.targets (batch_id, contributor_id, person_id, kind, value, reason)"
            f" select '{BATCH}', {identity}, {identity}, kinds.kind,"
            f" case kinds.kind when 'email' then 'person' || n || '@example.com' when 'salt' then md5(n::text)"
            f" else {identity} end, 'requested'"
            f" from generate_series(0, {targets - 1}) as n,"
            " (values ('contributor'), ('salt'), ('email')) as kinds (kind)"
        )
        connection.execute("analyze erasure.targets")


def take_lease(settings: Settings) -> int:
    """The batch executes from here on; returns the lease's number."""
    batches.start(settings, batch_id=BATCH, reviewed=True, undo_days=7)
    return leases.take(settings, batch_id=BATCH, run_id=RUN, run_ended=lambda run_id: False).fence


class OneTable:
    """dbt, as a store sees it, with the mask of one table alone: what the others cost is another question."""

    def __init__(self, settings: Settings, item: InventoryObject) -> None:
        self._project = DbtProject(settings)
        self._item = item

    def masked_rows(self, store: str, batch_id: str) -> Mapping[str, str]:
        """As the project has it."""
        return self._project.masked_rows(store, batch_id)

    def expressions(self, store: str, batch_id: str) -> Mapping[str, MaskExpressions]:
        """As the project has it."""
        return self._project.expressions(store, batch_id)

    def mask(
        self, store: str, batch_id: str, fence: int, storage: Mapping[str, str] | None = None
    ) -> Mapping[str, int]:
        """Runs the one model."""
        relation = {self._item.name: f'"{self._item.schema}"."{self._item.location}"'}
        return self._project.mask(store, batch_id, fence, storage or relation)


def store_arguments(settings: Settings, store: str, table: str) -> dict[str, Any]:
    """What a SQL store over one table of kepler is made of, but for its own settings."""
    (item,) = (item for item in inventory_of("kepler").of(store) if item.name == table)
    return {
        "world": "kepler",
        "registered": (item,),
        "objects": (item,),
        "models": OneTable(settings, item),
    }
