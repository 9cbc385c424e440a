"""What is told about batches: the summary lines, and the index page over all reports. Counts and opaque ids only.

Add here: a line or a column.
Keep out: computing the figures (the ledger has them) and the Data Docs (`expectations/`).
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from erasure.ledger import batches, controls, steps
from erasure.ledger.batches import Batch
from erasure.ledger.steps import Step
from erasure.settings import Settings

# Store -> what its users have always read, and the unit's sum over all objects of the store.
_LINES = {
    "postgres": "PostgreSQL records deleted",
    "elasticsearch": "Elasticsearch documents masked",
    "clickhouse": "ClickHouse records masked",
    "s3": "S3 files deleted",
}
# Files in which many people have rows are not deleted, so they have a line of their own.
_REWRITTEN = "S3 files with rows masked"

# Store -> what it is called after its purge -> what that reaches, and what it does not.
_PURGED: Mapping[str, Mapping[str, str]] = {
    "postgres": {
        "vacuumed": "vacuumed: index pages, WAL, replicas and backups may still hold old values",
        "purged": "purged: tables and indexes rewritten; WAL, replicas and backups may still hold old values",
    },
    "elasticsearch": {
        "purged": "purged: old documents merged away on every node that was there; snapshots, logs, followers and "
        "nodes that were away may still hold some",
    },
    "redis": {
        "unlinked": "unlinked: the server's files (RDB, AOF), replicas and backups may still hold old values",
        "purged": "purged: the server's files rewritten; replicas and backups may still hold old values",
    },
}
_NAMES = {"postgres": "PostgreSQL", "elasticsearch": "Elasticsearch", "redis": "Redis"}

# A record that was deleted leaves nothing to be seen in its masked form.
_MASKED_IN_PLACE = frozenset({"postgres", "clickhouse", "elasticsearch"})


def done_by_store(found: Sequence[Step], stage: str = "mask") -> dict[str, dict[str, int]]:
    """Store -> object -> records changed."""
    counts: dict[str, dict[str, int]] = {}
    for step in found:
        if step.stage == stage and step.done is not None:
            counts.setdefault(step.store, {})[step.object_name] = step.done
    return counts


def expected_masked(settings: Settings, batch_id: str, store: str) -> dict[str, int]:
    """Object -> the records that the ledger says were masked in place."""
    if store not in _MASKED_IN_PLACE:
        return {}
    return {
        step.object_name: step.done or 0
        for step in steps.read(settings, batch_id=batch_id, stage="mask")
        if step.store == store
    }


def accepted_not_erasable(settings: Settings, batch_id: str, store: str) -> dict[str, int]:
    """Object -> how many of it the ledger says were left because nobody can erase them."""
    return {
        step.object_name: sum(step.not_erasable.values())
        for step in steps.read(settings, batch_id=batch_id, stage="mask")
        if step.store == store and step.not_erasable
    }


def not_erasable_lines(found: Sequence[Step]) -> list[str]:
    """One sentence for each object and reason for which something was left."""
    return [
        f"{step.store}/{step.object_name}: {number} not erased ({reason})"
        for step in found
        for reason, number in sorted(step.not_erasable.items())
    ]


def summary_lines(settings: Settings, batch: Batch) -> list[str]:
    """The lines that users of the older scripts know, with what the ledger says was done."""
    found = steps.read(settings, batch_id=batch.batch_id)
    return list(_summary(batch, found))


def _summary(batch: Batch, found: Sequence[Step]) -> Iterator[str]:
    masked, revoked = done_by_store(found), done_by_store(found, "revoke")
    # A store in which the world has nothing was never planned, and there is nothing to tell of it.
    planned = {step.store for step in found}
    for store, text in _LINES.items():
        if store not in planned and planned:
            continue
        if store in masked and all(
            s.state in steps.OVER for s in found if (s.store, s.stage) == (store, "mask")
        ):
            of_many = {s.object_name for s in found if store == "s3" and _is_of_many(s)}
            rewritten = sum(number for name, number in masked[store].items() if name in of_many)
            yield f"✅ {text}: {sum(masked[store].values()) - rewritten}"
            if rewritten:
                yield f"✅ {_REWRITTEN}: {rewritten}"
        else:
            failed = ", ".join(sorted({s.error_class for s in found if s.store == store and s.error_class}))
            yield f"⚠️  {text}: not done" + (f" ({failed})" if failed else "")
    if "redis" in revoked:
        yield f"✅ Redis sessions cleared: {sum(revoked['redis'].values())}"
    elif "redis" in planned or not planned:
        yield "⚠️  Redis sessions cleared: not done"
    yield from (f"⚠️  {line}" for line in not_erasable_lines(found))
    yield from _controls([step for step in found if step.stage == controls.STAGE])
    for store, states in _PURGED.items():
        called = next((str(step.detail.get("called")) for step in found if _is_purged(step, store)), "")
        if called in states:
            yield f"✅ {_NAMES[store]} {states[called]}"
    proof = (batch.access_proof or {}).get("state")
    if proof == "proven":
        yield "✅ Contributors successfully kicked out (fetch API failed as expected)"
    elif proof == "not_configured":
        yield "⚠️  Kicked out: not proven (no job URL is configured)"
    elif proof:
        yield f"❌ Kicked out: {proof}"


def _controls(found: Sequence[Step]) -> Iterator[str]:
    """What `--controls full` came to; without it nothing is said."""
    where = "PostgreSQL and ClickHouse, the stores that --controls full covers"
    if not found:
        return
    if any(step.detail.get("given_up") for step in found):
        yield f"⚠️  Controls of {where}: comparing was given up"
    elif all(step.state == "done" for step in found):
        reports = sum(int(step.detail.get("reports", 0)) for step in found)
        compared = sum(step.done or 0 for step in found)
        yield f"✅ As before: {reports} reports and {compared} control records of {where}"
    elif any(step.state == "failed" for step in found):
        yield f"❌ Not as before: reports or control records of {where}"
    else:
        yield f"⚠️  Controls of {where}: not compared yet"


def _is_of_many(step: Step) -> bool:
    """Whether records of this object of S3 are files in which many people have rows: only there rows are counted."""
    return (step.store, step.stage) == ("s3", "mask") and bool(step.detail.get("total_elements"))


def _is_purged(step: Step, store: str) -> bool:
    return (step.store, step.stage, step.state) == (store, "purge", "done")


def write_index(settings: Settings, reports_dir: Path) -> Path:
    """Writes `index.html`, which leads to every batch's Data Docs; returns its path."""
    rows = "\n".join(_row(settings, batch, reports_dir) for batch in batches.everyone(settings))
    reports_dir.mkdir(parents=True, exist_ok=True)
    index = reports_dir / "index.html"
    part = index.with_suffix(".part")
    part.write_text(_PAGE.replace("{rows}", rows), encoding="utf-8")
    part.replace(index)
    return index


def _row(settings: Settings, batch: Batch, reports_dir: Path) -> str:
    lines = "<br>".join(escape(line) for line in summary_lines(settings, batch)) if batch.executed_at else ""
    link = "<br>".join(_verdict_links(batch.batch_id, reports_dir)) or "none yet"
    due = batch.due_at.isoformat(timespec="minutes") if batch.due_at else ""
    cells = [
        escape(batch.batch_id),
        escape(batch.state),
        escape(batch.fingerprint or ""),
        lines,
        link,
        escape(due),
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _verdict_links(batch_id: str, reports_dir: Path) -> Iterator[str]:
    """The Data Docs' index, and each store's newest page: the index is drawn by scripts that need a network."""
    docs = reports_dir / batch_id / "data_docs"
    if (docs / "index.html").exists():
        yield f'<a href="{batch_id}/data_docs/index.html">Data Docs</a>'
    for store in sorted((docs / "validations").glob("*")):
        # A page lies at <store>/<batch>/<time>/: the last by time is the newest.
        pages = sorted(store.rglob("*.html"))
        if pages:
            yield f'<a href="{pages[-1].relative_to(reports_dir)}">{escape(store.name)}</a>'


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Contributor deletion: batches</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1c2330; }
table { border-collapse: collapse; } td, th { border: 1px solid #d5dae2; padding: .4rem .7rem; text-align: left;
vertical-align: top; } th { background: #f3f5f8; }
</style></head><body>
<h1>Batches</h1>
<table><thead><tr><th>batch</th><th>state</th><th>fingerprint</th><th>what was done</th><th>verified</th>
<th>needles until</th></tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""
