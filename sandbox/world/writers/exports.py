"""The world in S3, continued: exports, files with rows of many people, in the bucket of `s3.py`.

Holds: which files there are, whose rows stand in them, and the three formats.
Add here: another file or format of exports, with its glob and columns in the inventory (s3.yml).
Keep out: emptying the bucket and files of one person (`s3.py`).

Emails and phones stand in rows of their owner alone, names nowhere: two people share one.
Nothing here depends on the day on which a world is made.
"""

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.world.cast import Part
from sandbox.world.chance import Die
from sandbox.world.contributors import Contributor
from sandbox.world.generate import Project, Unit, World
from sandbox.world.judgments import address_of_network
from sandbox.world.writers.progress import Counts

if TYPE_CHECKING:
    from botocore.client import BaseClient

# Two rows of each of 200 people in two projects: below the 1,000 rows from which a plan minds the share of an object,
# since most people with files in a large world are inactive.
_ROWS_EACH = 2
_PEOPLE_A_UNIT = 3
_ROWS_A_GROUP = 40
# Whose rows lost the id, and were typed carelessly: the email alone says whose they are.
_WITHOUT_ID = (Part.ALIASED, Part.ACTIVE_ALIASED)
_HEADER = ("unit_id", "worker_id", "worker_email", "ip", "comment", "answer", "seconds")
# More digits than a float holds, which whoever rewrites a line must not touch.
_CHECKSUM = 12_345_678_901_234_567_890


@dataclass(frozen=True, kw_only=True)
class Export:
    """One file: the versions put under its key, the oldest first, and what is said of it."""

    key: str
    versions: tuple[bytes, ...]
    content_type: str
    about: dict[str, Any]
    deleted: bool = False  # a delete marker is the last


def write_exports(client: "BaseClient", bucket: str, world: World, people: Sequence[Contributor]) -> Counts:
    """Objects that can be read, how many of them are exports, and all their versions with delete markers."""
    written: Counter[str] = Counter()
    for export in exports_of(world, people):
        for body in export.versions:
            client.put_object(
                Bucket=bucket, Key=export.key, Body=body, ContentType=export.content_type, **export.about
            )
        written.update(versions=len(export.versions), objects=1, exports=1)
        if export.deleted:
            client.delete_object(Bucket=bucket, Key=export.key)
            written.update(versions=1, objects=-1, exports=-1)
    return dict(written)


def exports_of(world: World, people: Sequence[Contributor]) -> Iterator[Export]:
    """Of each project: answers of everybody, answers of active people alone, a feed of units, a table of workers.

    The first project's answers have an older version that names the same people in capitals; the second's feed named
    everybody in an older version alone, and its oldest answers were deleted and left below a marker.
    """
    active = [each for each in people if each.part is not None and not each.inactive]
    for number, project in enumerate(world.projects):
        folder = f"exports/{project.project_id}"
        first = not number
        everybody = _answers(world, project, people)
        yield _table(
            f"{folder}/answers-1.csv.gz",
            *([_answers(world, project, people, in_capitals=True)] if first else []),
            everybody,
            Metadata={"made-by": "nightly export", "rows": str(len(everybody))},
            Tagging="kind=export&keep=a%20year",
        )
        # Two versions in which nobody inactive ever was: neither is anybody's to remove.
        stays = _answers(world, project, active)
        yield _table(f"{folder}/answers-2.csv.gz", stays[:1], stays)
        if not first:
            yield _table(f"{folder}/answers-0.csv.gz", everybody, deleted=True)
        yield Export(
            key=f"{folder}/feed-1.jsonl",
            versions=(
                (_feed(world, project, people),)
                if first
                else (_feed(world, project, people), _feed(world, project, active))
            ),
            content_type="application/x-ndjson",
            about={"CacheControl": "no-store"},
        )
        yield Export(
            key=f"{folder}/workers-1.parquet",
            versions=(_workers(world, project, people),),
            content_type="application/vnd.apache.parquet",
            about={},
        )


def _table(key: str, *versions: Sequence[Sequence[str]], deleted: bool = False, **about: Any) -> Export:
    return Export(
        key=key,
        versions=tuple(map(_csv, versions)),
        content_type="text/csv; charset=utf-8",
        about=about,
        deleted=deleted,
    )


def _answers(
    world: World, project: Project, people: Iterable[Contributor], *, in_capitals: bool = False
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for each in people:
        die = Die(world.seed, "answers", project.project_id, each.place)
        for place in range(_ROWS_EACH):
            email = each.email.upper() if in_capitals else each.email
            has_id = place or each.part not in _WITHOUT_ID
            rows.append(
                (
                    _unit(world, project, die).unit_id,
                    each.contributor_id if has_id else "",
                    email if has_id else f" {each.email.upper()}",
                    address_of_network(die.below(1 << 60)) or "",
                    _comment(each, die.below(4)),
                    die.choice(world.label_texts),
                    f"{die.between(20, 900)}.50",
                )
            )
    return rows


def _comment(each: Contributor, form: int) -> str:
    match form:
        case 0:
            return f'Unclear, write to "{each.email}"\r\nor call {each.phone or "nobody"}'
        case 1:
            return f"{each.email.upper()} asks; twice"
        case 2:
            return "the picture is blurred, and too dark"
        case _:
            return ""


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    """Packed as a nightly job would: quotes where they are needed alone, lines as RFC 4180 ends them."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([_HEADER, *rows])
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _feed(world: World, project: Project, people: Sequence[Contributor]) -> bytes:
    """A unit a line, with its answers, as the search engine has them; everybody stands in one line."""
    lines = []
    for start in range(0, len(people), _PEOPLE_A_UNIT):
        some = people[start : start + _PEOPLE_A_UNIT]
        die = Die(world.seed, "feed", project.project_id, some[0].place)
        answers = [
            {
                "workerId": each.contributor_id,
                "worker": {"email": each.email, "phones": [each.phone] if each.phone else []},
                "label": die.choice(world.label_texts),
            }
            for each in some
        ]
        document = {
            "unit_id": _unit(world, project, die).unit_id,
            "checksum": _CHECKSUM + start,
            "weight": 1.50,
            "answers": answers,
        }
        lines.append(json.dumps(document, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines).encode()


def _workers(world: World, project: Project, people: Sequence[Contributor]) -> bytes:
    """A worker a row, typed and in several row groups."""
    # Of all writers this one alone needs it, and it takes a while.
    import pyarrow as pa
    import pyarrow.parquet as pq

    dice = [Die(world.seed, "workers", project.project_id, each.place) for each in people]
    table = pa.table(
        {
            "worker_id": pa.array([each.contributor_id for each in people], pa.string()),
            "worker_email": pa.array([each.email for each in people], pa.string()),
            "phone": pa.array([each.phone for each in people], pa.string()),
            "birth_date": pa.array([each.person.birth_date for each in people], pa.date32()),
            "score": pa.array([die.between(0, 1_000) / 1_000 for die in dice], pa.float64()),
            "units": pa.array([die.between(1, 90) for die in dice], pa.int32()),
        }
    ).replace_schema_metadata({"made-by": "nightly export"})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=_ROWS_A_GROUP, compression="zstd")
    return sink.getvalue()


def _unit(world: World, project: Project, die: Die) -> Unit:
    """One of the project's, where it is near: jobs take turns with the units."""
    start = die.below(world.units)
    near = [world.unit((start + step) % world.units) for step in range(len(world.jobs))]
    return next((each for each in near if each.job.project_id == project.project_id), near[0])
