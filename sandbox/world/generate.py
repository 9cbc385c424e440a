"""Making a world: of its own, or around a file of labels.

Holds: the world as one frozen value, and the two ways of making it.
Add here: another count of projects or jobs, another fact about the whole world.
Keep out: connections, the shape that a store gives to a record, and who judged what (crews.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.world.cast import Cast, cast_people
from sandbox.world.chance import identifier
from sandbox.world.contributors import Contributor, Contributors
from sandbox.world.crews import LABELS, Crew, FileCrew, drawn_crews
from sandbox.world.labels import Labels
from sandbox.world.people import MOST_PEOPLE, drawn_numbers, hashed_numbers
from sandbox.world.sizes import DEFAULT_CONTRIBUTORS, FEWEST_CONTRIBUTORS, JUDGMENTS_EACH

_PROJECTS = ("Spam review", "Street sign transcription")
_JOBS = ((0, "Is this task spam?"), (0, "Second opinion on spam"), (1, "Read the sign"))


@dataclass(frozen=True, kw_only=True)
class Project:
    project_id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Job:
    job_id: str
    project_id: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    unit_id: str
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
    crews: Sequence[Crew]
    unit_urls: tuple[str, ...] | None  # None: made up from the place
    label_texts: tuple[str, ...]

    @property
    def units(self) -> int:
        return self.crews[-1].units.stop

    @property
    def judgments(self) -> int:
        return sum(crew.judgments for crew in self.crews)

    def people(self, crew: Crew) -> list[Contributor]:
        """The contributors of a crew, by position."""
        return self.contributors[crew.places.start : crew.places.stop]

    def unit(self, place: int) -> Unit:
        url = f"https://tasks.example.org/{place:08d}" if self.unit_urls is None else self.unit_urls[place]
        return Unit(
            unit_id=identifier(self.seed, "unit", url),
            job=self.jobs[place % len(self.jobs)],
            url=url,
        )

    def edge_people(self) -> dict[str, str]:
        """Part → contributor, for whoever wants to look one up."""
        return {
            part.value: self.contributors[place].contributor_id for part, place in self.cast.places.items()
        }


def generated_world(
    *,
    contributors: int = DEFAULT_CONTRIBUTORS,
    judgments: int | None = None,
    seed: int = 1,
    as_of: datetime | None = None,
) -> World:
    """A world of its own; `judgments` is their number in all, thirty a contributor if it is not given."""
    if not FEWEST_CONTRIBUTORS <= contributors <= MOST_PEOPLE:
        raise ValueError(
            f"a world has {FEWEST_CONTRIBUTORS} to {MOST_PEOPLE} contributors, {contributors} asked for"
        )
    wanted = contributors * JUDGMENTS_EACH if judgments is None else judgments
    if wanted < 1:
        raise ValueError(f"a world has at least one judgment, {wanted} asked for")
    return _world(
        seed=seed,
        as_of=as_of,
        people=contributors,
        key="worker-{}".format,
        number=drawn_numbers(seed),
        crews=drawn_crews(seed=seed, people=contributors, judgments=wanted),
        unit_urls=None,
        label_texts=LABELS,
    )


def labelled_world(labels: Labels, *, seed: int = 1, as_of: datetime | None = None) -> World:
    """A world whose workers, units and judgments are those of the file."""
    return _world(
        seed=seed,
        as_of=as_of,
        people=len(labels.workers),
        key=labels.workers.__getitem__,
        number=hashed_numbers(seed, labels.workers).__getitem__,
        crews=(FileCrew(labels=labels),),
        unit_urls=labels.units,
        label_texts=labels.label_texts,
    )


def today() -> datetime:
    """The time that worlds are dated by: this day's beginning in UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _world(
    *,
    seed: int,
    as_of: datetime | None,
    people: int,
    key: Callable[[int], str],
    number: Callable[[int], int],
    crews: Sequence[Crew],
    unit_urls: tuple[str, ...] | None,
    label_texts: tuple[str, ...],
) -> World:
    when = today() if as_of is None else as_of
    cast = cast_people(seed, people)
    projects = tuple(Project(project_id=identifier(seed, "project", name), name=name) for name in _PROJECTS)
    jobs = tuple(
        Job(job_id=identifier(seed, "job", title), project_id=projects[project].project_id, title=title)
        for project, title in _JOBS
    )
    return World(
        seed=seed,
        as_of=when,
        cast=cast,
        contributors=Contributors(seed=seed, key=key, number=number, cast=cast, as_of=when),
        projects=projects,
        jobs=jobs,
        crews=crews,
        unit_urls=unit_urls,
        label_texts=label_texts,
    )
