"""The bench, run for real at a tiny size: what it writes, and that it notices a way that has not done its work.

Add here: another promise of `var/bench/results.json`.
Keep out: how long anything takes.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.__main__ import measure_redis, measure_search, measure_sql
from bench.clickhouse import ClickHouseBench
from bench.measuring import WrongOutcome
from bench.postgres import PostgresBench
from bench.redis import KEYS_EACH, RedisBench
from bench.results import as_text, write
from bench.scene import Size, contributor_id, size_of
from bench.search import SearchBench, document
from sandbox.supervisor import Sandbox
from tests.sandbox_fixtures import pids

KEYS = {
    "store",
    "work",
    "contributors",
    "records",
    "ours_s",
    "bare_s",
    "per_contributor_s",
    "per_contributor_sample",
    "peak_rss_mb",
    "ratio_bare",
    "ratio_per_contributor",
}
TINY = replace(size_of(0.001), repeats=1, search_sample=4, clickhouse_sample=2, unindexed_sample=3)


def test_the_size_that_is_promised_is_that_of_scale_one() -> None:
    size = size_of(1)
    assert (size.judgments, size.metrics, size.targets) == (2_000_000, 20_000_000, 10_000)
    assert size.documents == 1_000_000
    assert size_of(0).targets == 2


def test_every_way_masks_what_it_should_and_is_written_down(sandbox: Sandbox, tmp_path: Path) -> None:
    said: list[str] = []
    results = measure_sql(sandbox, TINY, said.append) + measure_search(sandbox, TINY, said.append)
    file = tmp_path / "bench" / "results.json"
    write(results, file)

    entries = json.loads(file.read_text(encoding="utf-8"))
    assert all(entry.keys() >= KEYS for entry in entries)
    assert [entry["store"] for entry in entries] == ["postgres"] * 4 + ["clickhouse"] + ["elasticsearch"] * 4
    assert {entry["contributors"] for entry in entries} == {TINY.targets}
    assert {(entry["store"], entry["records"]) for entry in entries} == {
        ("postgres", TINY.judgments // 10),
        ("clickhouse", TINY.metrics // 10),
        ("elasticsearch", documents_of_targets()),
    }
    for entry in entries:
        assert all(entry[key] > 0 for key in ("ours_s", "bare_s", "per_contributor_s", "peak_rss_mb"))
        assert entry["ratio_bare"] == pytest.approx(entry["ours_s"] / entry["bare_s"], abs=0.01)
        assert 0 < entry["per_contributor_sample"] <= TINY.targets
    assert all(entry["work"] in as_text(results) for entry in entries)
    # What is said of a way is said once it was found to have masked every row that it should.
    for teller, ways in (
        (
            "postgres: ",
            (
                "mask",
                "one UPDATE by hand",
                "4 ranges",
                "a loop with an index",
                "4 threads",
                "without an index",
            ),
        ),
        ("clickhouse: ", ("mask", "one mutation by hand", "a mutation a contributor")),
        (
            sandbox.kind("search"),
            ("mask of", "by hand", "written to, nobody left", "with a refresh", "left unmasked"),
        ),
    ):
        assert all(any(line.startswith(teller) and way in line for line in said) for way in ways)


def documents_of_targets() -> int:
    """Those that name a contributor who is erased, by the documents themselves."""
    erased = {contributor_id(number) for number in range(TINY.targets)}
    return sum(
        bool(erased & {judgment["workerId"] for judgment in document(number, TINY.contributors)["judgments"]})
        for number in range(TINY.documents)
    )


class IdlePostgres(PostgresBench):
    """By hand it does nothing."""

    def _bare(self) -> None:
        return


class IdleClickHouse(ClickHouseBench):
    """The same."""

    def _bare(self) -> None:
        return


class IdleSearch(SearchBench):
    """The same."""

    def _by_hand(self, slices: str) -> None:
        return


def test_an_update_by_hand_that_leaves_somebody_unmasked_is_no_result(sandbox: Sandbox) -> None:
    engine = sandbox.kind("search")
    idle = IdleSearch(sandbox.config, pids(sandbox)["search"], engine, TINY, lambda line: None)
    with pytest.raises(WrongOutcome, match=f"{engine}: {TINY.targets} people are left unmasked"):
        idle.run()


@pytest.mark.parametrize(("bench", "engine"), [(IdlePostgres, "postgres"), (IdleClickHouse, "clickhouse")])
def test_a_way_that_leaves_a_row_unmasked_is_no_result(
    sandbox: Sandbox, bench: Callable[..., PostgresBench | ClickHouseBench], engine: str
) -> None:
    idle = bench(sandbox.config, pids(sandbox)[engine], TINY, lambda line: None)
    with pytest.raises(WrongOutcome, match=f"{engine}: 0 .* are masked, expected"):
        idle.run()


class IdleRedis(RedisBench):
    """By hand it does nothing."""

    def _bare(self) -> None:
        return


def test_every_way_removes_the_keys_of_redis_that_it_should(sandbox: Sandbox) -> None:
    (result,) = measure_redis(sandbox, TINY, lambda line: None)
    assert (result.store, result.records) == ("redis", TINY.targets * KEYS_EACH)
    assert min(result.ours_s, result.bare_s, result.per_contributor_s, result.recount_s) > 0
    with pytest.raises(WrongOutcome, match=r"redis: .* keys are left, expected"):
        IdleRedis(sandbox.config, pids(sandbox)["redis"], TINY, lambda line: None).run()


def test_sizes_keep_a_tenth_of_the_contributors() -> None:
    for scale in (0.0003, 0.01, 0.5):
        size: Size = size_of(scale)
        assert size.targets * 10 == size.contributors
        assert size.judgments % size.contributors == size.metrics % size.contributors == 0
