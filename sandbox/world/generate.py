"""Making a world: of its own, or around a file of labels.

Holds: the world as one frozen value, and the two ways of making it.
Add here: another source of judgments (a class of slots), another count of projects or jobs.
Keep out: connections, and the shape that a store gives to a record.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import gcd
from typing import NamedTuple, Protocol
from uuid import UUID

from sandbox.world.cast import FEWEST_WITH_PARTS, Cast, cast_people
from sandbox.world.chance import dice, identifier, scatter
from sandbox.world.contributors import Contributors
from sandbox.world.labels import Labels

JUDGMENTS_EACH = 30
_JUDGMENTS_A_UNIT = 6
_LABELS = ("Yes", "No", "Unsure")
_PROJECTS = ("Spam review", "Street sign transcription")
_JOBS = ((0, "Is this task spam?"), (0, "Second opinion on spam"), (1, "Read the sign"))


class Slot(NamedTuple):
    """Who judged what, by places; a tuple, since there are many."""

    judgment_id: int
    unit: int
    contributor: int
    label: str


class Slots(Protocol):
    """The judgments of a world, a unit's together, as often as they are asked for."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Slot]: ...


@dataclass(frozen=True, kw_only=True)
class Project:
    project_id: UUID
    name: str


@dataclass(frozen=True, kw_only=True)
class Job:
    job_id: UUID
    project_id: UUID
    title: str


@dataclass(frozen=True, kw_only=True)
class Unit:
    unit_id: UUID
    job: Job
    url: str


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything that the stores are loaded from. Two worlds of one seed and time are the same."""

    seed: int
    as_of: datetime
    cast: Cast
    contributors: Contributors
    projects: tuple[Project, ...]
    jobs: tuple[Job, ...]
    unit_urls: tuple[str, ...] | None  # None: made up from the place
    unit_count: int
    slots: Slots

    def unit(self, place: int) -> Unit:
        url = f"https://tasks.example.org/{place:08d}" if self.unit_urls is None else self.unit_urls[place]
        return Unit(
            unit_id=identifier(self.seed, "unit", url),
            job=self.jobs[place % len(self.jobs)],
            url=url,
        )

    def edge_people(self) -> dict[str, UUID]:
        """Part → contributor, for whoever wants to look one up."""
        parts = {} if self.cast.parts is None else vars(self.cast.parts)
        return {part: self.contributors[place].contributor_id for part, place in parts.items()}


def generated_world(*, contributors: int = 300, seed: int = 1, as_of: datetime | None = None) -> World:
    """A world of its own, about thirty judgments a contributor."""
    if contributors < FEWEST_WITH_PARTS:
        raise ValueError(f"a world needs at least {FEWEST_WITH_PARTS} contributors, {contributors} asked for")
    units = contributors * JUDGMENTS_EACH // _JUDGMENTS_A_UNIT
    return _world(
        seed=seed,
        as_of=as_of,
        keys=[f"worker-{place}" for place in range(contributors)],
        unit_urls=None,
        unit_count=units,
        slots=_DrawnSlots(seed=seed, contributors=contributors),
    )


def labelled_world(labels: Labels, *, seed: int = 1, as_of: datetime | None = None) -> World:
    """A world whose workers, units and judgments are those of the file."""
    return _world(
        seed=seed,
        as_of=as_of,
        keys=labels.workers,
        unit_urls=labels.units,
        unit_count=len(labels.units),
        slots=_FileSlots(labels=labels),
    )


def today() -> datetime:
    """The time that worlds are dated by: this day's beginning in UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, kw_only=True)
class _DrawnSlots:
    """Every round goes once through all contributors, in an order of its own, without a list of them."""

    seed: int
    contributors: int

    def __len__(self) -> int:
        return self.contributors * JUDGMENTS_EACH

    def __iter__(self) -> Iterator[Slot]:
        for turn in range(JUDGMENTS_EACH):
            die = dice(self.seed, "round", turn)
            step = die.randrange(1, self.contributors)
            while gcd(step, self.contributors) != 1:  # else it would leave some out
                step = die.randrange(1, self.contributors)
            start = die.randrange(self.contributors)
            for place in range(self.contributors):
                index = turn * self.contributors + place
                yield Slot(
                    judgment_id=index + 1,
                    unit=index // _JUDGMENTS_A_UNIT,
                    contributor=(start + step * place) % self.contributors,
                    label=_LABELS[scatter(self.seed, index) % len(_LABELS)],
                )


@dataclass(frozen=True, kw_only=True)
class _FileSlots:
    """A judgment's id is the number of its line."""

    labels: Labels

    def __len__(self) -> int:
        return len(self.labels.unit_of)

    def __iter__(self) -> Iterator[Slot]:
        labels = self.labels
        for place in sorted(range(len(self)), key=labels.unit_of.__getitem__):
            yield Slot(
                judgment_id=place + 1,
                unit=labels.unit_of[place],
                contributor=labels.worker_of[place],
                label=labels.label_texts[labels.label_of[place]],
            )


def _world(
    *,
    seed: int,
    as_of: datetime | None,
    keys: list[str] | tuple[str, ...],
    unit_urls: tuple[str, ...] | None,
    unit_count: int,
    slots: Slots,
) -> World:
    when = today() if as_of is None else as_of
    cast = cast_people(seed, len(keys))
    projects = tuple(Project(project_id=identifier(seed, "project", name), name=name) for name in _PROJECTS)
    jobs = tuple(
        Job(job_id=identifier(seed, "job", title), project_id=projects[project].project_id, title=title)
        for project, title in _JOBS
    )
    return World(
        seed=seed,
        as_of=when,
        cast=cast,
        contributors=Contributors(seed=seed, keys=keys, cast=cast, as_of=when),
        projects=projects,
        jobs=jobs,
        unit_urls=unit_urls,
        unit_count=unit_count,
        slots=slots,
    )
