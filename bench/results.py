"""What is written to `var/bench/results.json`: one entry a store and way of comparing.

Add here: a figure of every entry.
Keep out: how it was measured.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Result:
    """Ours against the bare statement, and against a loop of one statement a contributor.

    per_contributor_s: the whole loop; extrapolated from `per_contributor_sample` contributors where these are fewer.
    recount_s: what ours does beside, once everything is masked, and the other two don't.
    plain_loop_s, plain_loop_left: a loop that waits for nothing, and how many of the people it leaves unmasked in some
    record; ours leaves nobody. Where nothing like it is measured, none.
    quarter_rss_mb: the peak of `peak_rss_mb` with a quarter of the records, for the same people.
    """

    store: str
    work: str
    contributors: int
    records: int
    ours_s: float
    bare_s: float
    per_contributor_s: float
    per_contributor_sample: int
    peak_rss_mb: int
    engine_peak_mb: int
    recount_s: float
    plain_loop_s: float | None = None
    plain_loop_left: int | None = None
    quarter_rss_mb: int | None = None

    @property
    def ratio_bare(self) -> float:
        """How many times as long as the bare statement ours takes; 1.2 is the goal."""
        return round(self.ours_s / self.bare_s, 2)

    @property
    def ratio_per_contributor(self) -> float:
        """How many times as long as ours the loop takes."""
        return round(self.per_contributor_s / self.ours_s, 2)


def write(results: Sequence[Result], path: Path) -> None:
    """Writes them, whole or not at all."""
    entries = [
        asdict(result)
        | {"ratio_bare": result.ratio_bare, "ratio_per_contributor": result.ratio_per_contributor}
        for result in results
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def as_text(results: Sequence[Result]) -> str:
    """The same as a table for people."""
    header = "store       work                                    ours s   bare s  x bare  per contributor s  x ours"
    lines = [
        f"{r.store:<11} {r.work:<38} {r.ours_s:>7.2f} {r.bare_s:>8.2f} {r.ratio_bare:>7.2f}"
        f" {r.per_contributor_s:>18.1f} {r.ratio_per_contributor:>7.1f}"
        for r in results
    ]
    return "\n".join([header, *lines])
