"""The rows of the world's Postgres tables.

Holds: one function a table that yields its lines for COPY, and the list of tables.
Add here: a table, with its columns (and its DDL in ddl_postgres.sql).
Keep out: connections. A person's name, email or phone stands in that person's own rows only.

Ids are made from places, so that a crew's rows need not know how many rows came before them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from sandbox.world.cast import Part
from sandbox.world.chance import Die, scatter
from sandbox.world.contributors import Contributor
from sandbox.world.crews import Crew
from sandbox.world.generate import World
from sandbox.world.judgments import address_of_network, has_no_email, judgments, orphans
from sandbox.world.tsv import NULL, Value, field, line

Row = tuple[Value, ...]

AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Android 15; Mobile)", "kepler-app/4.2")
_CURRENCIES = ("EUR", "USD", "KES")
_SUBJECTS = ("Payment question", "Cannot log in", "Change of address", "Task unclear")
_MOST_PAYMENTS = 3
_MOST_MESSAGES = 3
# Who also wrote without being logged in: no id, and an email typed carelessly.
_WRITING_FROM_OUTSIDE = (Part.ALIASED, Part.NAMESAKE, Part.ACTIVE_ALIASED, Part.ACTIVE_HALF)
_DISPUTES = {
    Part.DISPUTE_OPEN: "open",
    Part.TWIN: "closed",
    Part.NAMESAKE: "closed",
    Part.ACTIVE_HALF: "closed",
    Part.ACTIVE_ON_HOLD: "open",
    # Their first judgment is an orphan, so nobody could tell whose dispute it is.
    Part.ALIASED: None,
    Part.ACTIVE_ALIASED: None,
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table to load; `lines` are those of one crew and its people."""

    name: str
    columns: tuple[str, ...]
    lines: Callable[[World, Crew, Sequence[Contributor]], Iterator[str]]


def _written(rows: Callable[[World, Contributor], Iterator[Row]]) -> Callable[..., Iterator[str]]:
    """The lines of a table of which each row is one contributor's."""

    def lines(world: World, crew: Crew, people: Sequence[Contributor]) -> Iterator[str]:
        return (line(row) for each in people for row in rows(world, each))

    return lines


def _projects(world: World, crew: Crew, people: Sequence[Contributor]) -> Iterator[str]:
    if crew is world.crews[0]:
        yield from (line((each.project_id, each.name)) for each in world.projects)


def _jobs(world: World, crew: Crew, people: Sequence[Contributor]) -> Iterator[str]:
    if crew is world.crews[0]:
        yield from (line((each.job_id, each.project_id, each.title)) for each in world.jobs)


def _units(world: World, crew: Crew, people: Sequence[Contributor]) -> Iterator[str]:
    for unit in map(world.unit, crew.units):
        yield line((unit.unit_id, unit.job.job_id, unit.url))


def _judgments(world: World, crew: Crew, people: Sequence[Contributor]) -> Iterator[str]:
    """Written without `line`: there are more of them than of everything else together."""
    lost = orphans(crew, people)
    ids = [each.contributor_id for each in people]
    for block in judgments(world, crew, people):
        place, unit = -1, ""
        for judgment_id, unit_place, position, email, label, draw, at in zip(
            block.judgment_id,
            block.unit,
            block.contributor,
            block.email,
            block.label,
            block.draw,
            block.at,
            strict=True,
        ):
            if unit_place != place:
                of = world.unit(unit_place)
                place, unit = unit_place, f"{of.unit_id}\t{of.job.job_id}"
            if judgment_id in lost:
                who = f"{NULL}\t{people[position].email.upper()}"
            else:
                who = f"{ids[position]}\t{NULL if has_no_email(draw) else email}"
            ip = address_of_network(draw) or NULL
            yield f"{judgment_id}\t{unit}\t{who}\t{field(label)}\t{ip}\t{at}\n"


def _contributors(world: World, each: Contributor) -> Iterator[Row]:
    who = each.person
    yield (
        *(each.contributor_id, each.email, who.full_name, each.phone, each.address, who.birth_date),
        *(who.country, each.status, each.merged_into, each.created_at),
    )


def _aliases(world: World, each: Contributor) -> Iterator[Row]:
    yield from ((each.contributor_id, alias) for alias in each.aliases)


def _payments(world: World, each: Contributor) -> Iterator[Row]:
    die = Die(world.seed, "payments", each.place)
    states = ["paid"] * die.between(1, 2)
    if (die.happens(percent=20) and not each.inactive) or each.part is Part.PAYMENT_PENDING:
        states.append("pending")
    for number, state in enumerate(states, start=each.place * _MOST_PAYMENTS + 1):
        named = die.happens(percent=90)
        yield (
            *(number, each.contributor_id, Decimal(die.between(100, 89_999)) / 100),
            *(die.choice(_CURRENCIES), state),
            *(each.person.full_name if named else None, each.person.iban if named else None),
            each.moment(die.below(10**9)),
        )


def _disputes(world: World, crew: Crew, people: Sequence[Contributor]) -> Iterator[str]:
    first = crew.first_judgments()
    for position, each in enumerate(people):
        by_chance = "closed" if scatter(world.seed, ~each.place) % 40 == 0 else None
        state = by_chance if each.part is None else _DISPUTES.get(each.part, by_chance)
        if state is not None and first[position]:
            statement = f"I, {each.person.full_name}, ask for another look. Reply to {each.email}."
            created_at = each.moment(scatter(world.seed, each.place))
            yield line((each.place + 1, int(first[position]), state, each.email, statement, created_at))


def _support_messages(world: World, each: Contributor) -> Iterator[Row]:
    die = Die(world.seed, "messages", each.place)
    likely = die.happens(percent=25)
    number = each.place * _MOST_MESSAGES
    for _ in range(die.between(1, 2) if likely or each.part is not None else 0):
        number += 1
        yield (
            *(number, each.contributor_id, each.email if die.happens(percent=80) else None),
            *(die.choice(_SUBJECTS), _body(each, die.below(4)), each.moment(die.below(10**9))),
        )
    if each.part in _WRITING_FROM_OUTSIDE:
        yield (
            *(number + 1, None, f"  {each.email.upper()} "),
            *(die.choice(_SUBJECTS), _body(each, 3), each.moment(die.below(10**9))),
        )


def _body(each: Contributor, form: int) -> str:
    name = each.person.full_name
    phone = each.phone or "no phone"
    match form:
        case 0:
            return f"Hello, this is {name} ({each.email}). Please call {phone}."
        case 1:
            return f'Sent from my phone\n--\n"{name}" <{each.email.upper()}>\nTel. {phone}'
        case 2:
            return f"{name} here; {phone}; {each.email}; it still does not work, thanks,\n{name}"
        case _:
            return f"I cannot get in any more.\r\nName: {name}\r\nEmail: {each.email}\r\nPhone: {phone}\r\n"


def _login_events(world: World, each: Contributor) -> Iterator[Row]:
    """The last one of everybody; the earlier ones are derived from judgments (derive_postgres.sql)."""
    die = Die(world.seed, "login", each.place)
    agent = die.choice(AGENTS) if die.happens(percent=95) else None
    yield each.place + 1, each.contributor_id, address_of_network(die.below(1 << 60)), agent, each.last_active


def _legal_holds(world: World, each: Contributor) -> Iterator[Row]:
    die = Die(world.seed, "holds", each.place)
    held = die.happens(percent=1) and not each.inactive
    ended = die.happens(percent=1)
    placed_at = each.created_at + timedelta(days=30)
    if ended or each.part is Part.ALIASED:
        yield each.contributor_id, "Audit, since closed", placed_at, placed_at + timedelta(days=60)
    if held or each.part in (Part.ON_HOLD, Part.ACTIVE_ON_HOLD):
        yield each.contributor_id, "Litigation", placed_at, None


TABLES = (
    Table(
        name="contributors",
        columns=(
            *("contributor_id", "email", "full_name", "phone", "address", "birth_date"),
            *("country", "status", "merged_into", "created_at"),
        ),
        lines=_written(_contributors),
    ),
    Table(name="contributor_aliases", columns=("contributor_id", "email"), lines=_written(_aliases)),
    Table(name="projects", columns=("project_id", "name"), lines=_projects),
    Table(name="jobs", columns=("job_id", "project_id", "title"), lines=_jobs),
    Table(name="units", columns=("unit_id", "job_id", "url"), lines=_units),
    Table(
        name="judgments",
        columns=(
            *("judgment_id", "unit_id", "job_id", "contributor_id"),
            *("contributor_email", "label", "ip", "created_at"),
        ),
        lines=_judgments,
    ),
    Table(
        name="payments",
        columns=(
            *("payment_id", "contributor_id", "amount", "currency", "status"),
            *("payee_name", "iban", "created_at"),
        ),
        lines=_written(_payments),
    ),
    Table(
        name="disputes",
        columns=("dispute_id", "judgment_id", "status", "claimant_email", "statement", "created_at"),
        lines=_disputes,
    ),
    Table(
        name="support_messages",
        columns=("message_id", "contributor_id", "sender_email", "subject", "body", "created_at"),
        lines=_written(_support_messages),
    ),
    Table(
        name="login_events",
        columns=("login_event_id", "contributor_id", "ip", "user_agent", "created_at"),
        lines=_written(_login_events),
    ),
    Table(
        name="legal_holds",
        columns=("contributor_id", "reason", "placed_at", "released_at"),
        lines=_written(_legal_holds),
    ),
)
