"""What must hold between two raw looks, before and after a deletion.

Holds: the differences of two snapshots, the state that a deletion leads to, and the counts that it must have told.
Add here: another thing that is true of every deletion that has ended well.
Keep out: reading engines (`raw_look.py`), the product, and single tests' people.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.flow_fixtures import Person
from tests.integration.outcome_exports import (
    MASK,
    is_export,
    key_of,
    object_of,
    require_masked_exports,
)
from tests.integration.raw_look import Place, Snapshot

LEDGER = "erasure"
ONLINE = "contributors:online"
TASKS = ".tasks"


def world(snapshot: Snapshot) -> Snapshot:
    """The platform's own records: without the product's ledger and the engines' notes of what they were asked."""
    return snapshot.without(f"{LEDGER}.").without("mutations.").without(TASKS)


def changed(before: Snapshot, after: Snapshot) -> set[Place]:
    """The places whose record has changed, gone or come."""
    return {
        place
        for place in before.records.keys() | after.records.keys()
        if before.records.get(place) != after.records.get(place)
    }


def require_unchanged(before: Snapshot, after: Snapshot) -> None:
    """Nothing at all has happened to the platform's records."""
    assert sorted(changed(world(before), world(after))) == []


def theirs(before: Snapshot, people: Iterable[Person]) -> set[Place]:
    """The places of these people: whatever named their id or one of their values beforehand."""
    people = list(people)
    names = [person.full_name for person in people]
    named = set(before.naming(v for p in people for v in p.values if v not in names))
    whole = _whole(_ids(people))
    named |= {place for place, text in before.records.items() if whole.search(f"{text}\n{place.key}")}
    # A name may be a namesake's too; such a record belongs to whoever else it names.
    return named | {place for place in before.naming(names) if not _of_a_namesake(before, place, people)}


def require_erased(before: Snapshot, after: Snapshot, people: Iterable[Person]) -> None:
    """These people's values are gone, their ids' records stand masked, and nobody else's record has changed."""
    people = list(people)
    values = {value for person in people for value in person.values}
    namesakes = {
        value for value in values for place in before.naming([value]) if _of_a_namesake(before, place, people)
    }
    assert after.naming(values - namesakes) == []
    assert set(after.naming(namesakes)) <= set(before.naming(namesakes)) - theirs(before, people)
    # A stored task repeats the ids that it was given; those of others were there before.
    assert set(after.of("elasticsearch", TASKS)) <= set(before.of("elasticsearch", TASKS))
    require_others_untouched(before, after, people)
    require_masked_records(before, after, people)


def require_others_untouched(before: Snapshot, after: Snapshot, people: Iterable[Person]) -> None:
    """Whatever names none of these people is there as before, byte for byte, and nothing has come."""
    assert strayed(before, after, people) == []


def strayed(before: Snapshot, after: Snapshot, people: Iterable[Person]) -> list[Place]:
    """The platform's records that have changed and named none of these people.

    But for new versions of exports in which they had rows: what those hold says `require_masked_records`.
    """
    mine = theirs(before, people)
    exports = {key_of(place) for place in mine if is_export(place)}
    found = changed(world(before), world(after)) - mine
    return sorted(place for place in found if not (is_export(place) and key_of(place) in exports))


def require_masked_records(before: Snapshot, after: Snapshot, people: Iterable[Person]) -> None:
    """Records in which others have a part differ in the targets' part only; those of one person are gone or masked."""
    people = list(people)
    ids = set(_ids(people))
    emails = {email.lower() for person in people for email in person.emails}
    require_masked_exports(before, after, theirs(before, people), people)
    for place, text in before.of("elasticsearch", "project-").items():
        assert json.loads(after.records[place]) == _masked_document(json.loads(text), ids)
    for place, text in before.of("clickhouse", "kepler.").items():
        now = json.loads(after.records[place])
        assert now == _masked_row(json.loads(text), now, ids, emails)
    if (online := Place("redis", "contributors", ONLINE)) in before.records:
        members = [member for member in json.loads(before.records[online]) if member not in ids]
        assert json.loads(after.records[online]) == members
    whole = _whole(ids)
    for place in after.records:
        if place.store in {"s3", "redis"}:
            assert not whole.search(place.key), place
    assert before.of("postgres", "public.").keys() == after.of("postgres", "public.").keys()


def differing_counts(before: Snapshot, after: Snapshot) -> dict[str, dict[str, int]]:
    """Store -> object -> records, counted from the differences alone, by the names of the kepler inventory."""
    places = changed(world(before), world(after))
    found: dict[str, Counter[str]] = {
        store: Counter() for store in ("postgres", "clickhouse", "elasticsearch", "s3", "redis")
    }
    for place in places:
        match place.store:
            case "postgres" | "clickhouse":
                found[place.store][place.object.partition(".")[2]] += 1
            case "elasticsearch":
                found[place.store]["units"] += 1
            case "redis" if place.key.startswith("session:"):
                found["redis"]["sessions"] += 1
            case "redis" if place.key.startswith("profile:"):
                found["redis"]["profiles"] += 1
            case "redis" if place.key == ONLINE:
                members = json.loads(before.records[place]), json.loads(after.records.get(place, "[]"))
                found["redis"]["online"] += len(members[0]) - len(members[1])
    found["s3"].update(object_of(key) for key in {key_of(place) for place in places if place.store == "s3"})
    return {store: dict(counts) for store, counts in found.items()}


def nonzero(counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Counts without the objects of which nothing was changed."""
    return {
        store: {name: number for name, number in objects.items() if number}
        for store, objects in counts.items()
    }


def _ids(people: Iterable[Person]) -> list[str]:
    return [person.contributor_id for person in people]


def _whole(ids: Iterable[str]) -> re.Pattern[str]:
    """One of these ids where it ends: what goes on is the name of something else, which is nobody's or another's."""
    return re.compile(rf"(?:{'|'.join(map(re.escape, ids))})(?![0-9A-Za-z-])")


def _of_a_namesake(before: Snapshot, place: Place, people: list[Person]) -> bool:
    """Whether a record names none of these people but by a full name."""
    text = f"{before.records[place]} {place.key}".lower()
    own = [v.lower() for p in people for v in (p.contributor_id, *p.values) if v != p.full_name]
    return not any(value in text for value in own)


def _masked_document(document: dict[str, Any], ids: set[str]) -> dict[str, Any]:
    for element in (document["latest"], *document["judgments"]):
        if element["workerId"] in ids:
            element["workerEmail"] = MASK
    return document


def _masked_row(row: dict[str, Any], now: dict[str, Any], ids: set[str], emails: set[str]) -> dict[str, Any]:
    if row.get("contributor_id") in ids:
        return {**row, "email": MASK}
    if str(row.get("recipient")).strip().lower() in emails:
        return {**row, "recipient": MASK}
    if str(row.get("worker_email")).strip().lower() in emails:
        # How an address is cut short is for the rules' own tests.
        return {**row, "worker_email": MASK, "ip": now["ip"]}
    return row
