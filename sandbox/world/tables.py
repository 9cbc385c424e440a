"""The rows of the world's Postgres tables.

Holds: one function a table that yields its rows, and the list of tables in the order of their keys.
Add here: a table, with its columns and about how many rows it has (and its DDL in ddl_postgres.sql).
Keep out: connections. A person's name, email or phone stands in that person's own rows only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from sandbox.world.cast import Parts
from sandbox.world.chance import dice, happens, scatter
from sandbox.world.contributors import Contributor
from sandbox.world.generate import World
from sandbox.world.judgments import address_of_network, first_judgments, judgments, orphans

Row = tuple[object, ...]

_AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Android 15; Mobile)", "kepler-app/4.2")
_CURRENCIES = ("EUR", "USD", "KES")
_SUBJECTS = ("Payment question", "Cannot log in", "Change of address", "Task unclear")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table to load. `expected` is an estimate for progress, in rows a contributor."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[World], Iterator[Row]]
    expected: float


def postgres_tables(world: World) -> tuple[Table, ...]:
    """All tables, parents before children."""
    people = len(world.contributors)
    return (
        Table(
            name="contributors",
            columns=(
                *("contributor_id", "email", "full_name", "phone", "address", "birth_date"),
                *("country", "status", "merged_into", "created_at"),
            ),
            rows=_contributors,
            expected=1,
        ),
        Table(name="contributor_aliases", columns=("contributor_id", "email"), rows=_aliases, expected=0.05),
        Table(name="projects", columns=("project_id", "name"), rows=_projects, expected=0),
        Table(name="jobs", columns=("job_id", "project_id", "title"), rows=_jobs, expected=0),
        Table(
            name="units",
            columns=("unit_id", "job_id", "url"),
            rows=_units,
            expected=world.unit_count / people,
        ),
        Table(
            name="judgments",
            columns=(
                *("judgment_id", "unit_id", "job_id", "contributor_id"),
                *("contributor_email", "label", "ip", "created_at"),
            ),
            rows=_judgments,
            expected=len(world.slots) / people,
        ),
        Table(
            name="payments",
            columns=(
                *("payment_id", "contributor_id", "amount", "currency", "status"),
                *("payee_name", "iban", "created_at"),
            ),
            rows=_payments,
            expected=1.65,
        ),
        Table(
            name="disputes",
            columns=("dispute_id", "judgment_id", "status", "claimant_email", "statement", "created_at"),
            rows=_disputes,
            expected=0.03,
        ),
        Table(
            name="support_messages",
            columns=("message_id", "contributor_id", "sender_email", "subject", "body", "created_at"),
            rows=_support_messages,
            expected=0.4,
        ),
        Table(
            name="login_events",
            columns=("login_event_id", "contributor_id", "ip", "user_agent", "created_at"),
            rows=_login_events,
            expected=3.5,
        ),
        Table(
            name="legal_holds",
            columns=("contributor_id", "reason", "placed_at", "released_at"),
            rows=_legal_holds,
            expected=0.02,
        ),
    )


def _contributors(world: World) -> Iterator[Row]:
    for each in world.contributors:
        who = each.person
        yield (
            *(each.contributor_id, each.email, who.full_name, each.phone, each.address, who.birth_date),
            *(who.country, each.status, each.merged_into, each.created_at),
        )


def _aliases(world: World) -> Iterator[Row]:
    for each in world.contributors:
        yield from ((each.contributor_id, alias) for alias in each.aliases)


def _projects(world: World) -> Iterator[Row]:
    yield from ((project.project_id, project.name) for project in world.projects)


def _jobs(world: World) -> Iterator[Row]:
    yield from ((job.job_id, job.project_id, job.title) for job in world.jobs)


def _units(world: World) -> Iterator[Row]:
    for unit in map(world.unit, range(world.unit_count)):
        yield unit.unit_id, unit.job.job_id, unit.url


def _judgments(world: World) -> Iterator[Row]:
    lost = orphans(world)
    for each in judgments(world):
        orphan = each.judgment_id in lost
        email = None if each.email_missing else each.email
        yield (
            *(each.judgment_id, each.unit.unit_id, each.unit.job.job_id),
            None if orphan else each.contributor.contributor_id,
            each.contributor.email.upper() if orphan else email,
            *(each.label, address_of_network(each.draw), each.created_at),
        )


def _payments(world: World) -> Iterator[Row]:
    number = 0
    for each in world.contributors:
        die = dice(world.seed, "payments", each.place)
        states = ["paid"] * die.randint(1, 2)
        if _has_pending_payment(world, each, luck=happens(die, percent=20)):
            states.append("pending")
        for state in states:
            number += 1
            named = happens(die, percent=90)
            yield (
                *(number, each.contributor_id, Decimal(die.randrange(100, 90_000)) / 100),
                *(die.choice(_CURRENCIES), state),
                *(each.person.full_name if named else None, each.person.iban if named else None),
                each.moment(die.randrange(10**9)),
            )


def _has_pending_payment(world: World, each: Contributor, *, luck: bool) -> bool:
    parts = world.cast.parts
    if parts is not None and each.place == parts.payment_pending:
        return True
    return luck and not each.inactive


def _disputes(world: World) -> Iterator[Row]:
    states = _disputing(world)
    for number, (place, judgment_id) in enumerate(sorted(first_judgments(world, states).items()), start=1):
        each = world.contributors[place]
        statement = f"I, {each.person.full_name}, ask for another look. Reply to {each.email}."
        created_at = each.moment(scatter(world.seed, number))
        yield number, judgment_id, states[place], each.email, statement, created_at


def _disputing(world: World) -> dict[int, str]:
    """Place → state of the dispute. People whose first judgment is an orphan have none."""
    parts = world.cast.parts
    people = range(len(world.contributors))
    states = {place: "closed" for place in people if scatter(world.seed, ~place) % 40 == 0}
    if parts is None:
        return states
    states |= {parts.dispute_open: "open", parts.twin: "closed", parts.namesake: "closed"}
    states |= {parts.active_half: "closed", parts.active_on_hold: "open"}
    without = (parts.aliased, parts.active_aliased)
    return {place: state for place, state in states.items() if place not in without}


def _support_messages(world: World) -> Iterator[Row]:
    parts = world.cast.parts
    number = 0
    for each in world.contributors:
        die = dice(world.seed, "messages", each.place)
        has_part = parts is not None and each.place in vars(parts).values()
        for _ in range(die.randint(1, 2) if has_part or happens(die, percent=25) else 0):
            number += 1
            yield (
                *(number, each.contributor_id, each.email if happens(die, percent=80) else None),
                *(die.choice(_SUBJECTS), _body(each, die.randrange(4)), each.moment(die.randrange(10**9))),
            )
        if parts is not None and each.place in _writing_from_outside(parts):
            number += 1
            yield (
                *(number, None, f"  {each.email.upper()} "),
                *(die.choice(_SUBJECTS), _body(each, 3), each.moment(die.randrange(10**9))),
            )


def _writing_from_outside(parts: Parts) -> tuple[int, ...]:
    """Who also wrote without being logged in: no id, and an email typed carelessly."""
    return (parts.aliased, parts.namesake, parts.active_aliased, parts.active_half)


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


def _login_events(world: World) -> Iterator[Row]:
    number = 0
    for each in world.contributors:
        die = dice(world.seed, "logins", each.place)
        moments = [each.last_active, *(each.moment(die.randrange(10**9)) for _ in range(die.randint(1, 4)))]
        for moment in moments:
            number += 1
            agent = die.choice(_AGENTS) if happens(die, percent=95) else None
            yield number, each.contributor_id, address_of_network(die.getrandbits(60)), agent, moment


def _legal_holds(world: World) -> Iterator[Row]:
    parts = world.cast.parts
    for each in world.contributors:
        die = dice(world.seed, "holds", each.place)
        held = happens(die, percent=1) and not each.inactive
        ended = happens(die, percent=1)
        if parts is not None:
            held = held or each.place in (parts.on_hold, parts.active_on_hold)
            ended = ended or each.place == parts.aliased
        placed_at = each.created_at + timedelta(days=30)
        if ended:
            yield each.contributor_id, "Audit, since closed", placed_at, placed_at + timedelta(days=60)
        if held:
            yield each.contributor_id, "Litigation", placed_at, None
