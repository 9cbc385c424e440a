"""What must hold of the exports in S3, files with rows of many people, between two raw looks.

Holds: which object of the inventory a key is of, and the content that each export must have after a deletion.
Add here: another kind of export of the kepler world.
Keep out: reading the bucket (`raw_look.py`), other stores (`outcome.py`), and any code of the product.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.flow_fixtures import Person
from tests.integration.raw_look import MARKER, Place, Snapshot

MASK = "DELETED_USER"
EXPORTS = "exports/"
_NAMES = {"answers": "answer_exports", "feed": "unit_feeds", "workers": "worker_tables"}


def object_of(key: str) -> str:
    """The inventory's name for what a key is of."""
    return _NAMES[_kind(key)] if key.startswith(EXPORTS) else "contributor_files"


def key_of(place: Place) -> str:
    """The key of a version."""
    return place.key.partition("@")[0]


def is_export(place: Place) -> bool:
    return place.store == "s3" and place.key.startswith(EXPORTS)


def require_masked_exports(
    before: Snapshot, after: Snapshot, theirs: Iterable[Place], people: Iterable[Person]
) -> None:
    """A file that named these people is one new version with their cells masked; older versions that did are gone.

    Other versions are there as before, with their ids and bytes.
    """
    named, people = set(theirs), list(people)
    for key, places in _by_key(before).items():
        newest = places[0]
        left = [place for place in places if place not in named]
        is_deleted = before.records[places[-1]] == MARKER
        if is_deleted or newest not in named:
            assert _by_key(after).get(key, []) == left, key
            continue
        found = _by_key(after)[key]
        assert len(found) == 1 and found[0] not in places, key
        _require_masked(key, before.records[newest], after.records[found[0]], people)


def with_row_back(before: str, after: str, contributor_id: str) -> str:
    """A table of answers as it is now, and below it one row of this person as it was."""
    row = next(row for row in _rows(_content(before)) if contributor_id in row)
    return _content(after) + _written([row])


def _by_key(snapshot: Snapshot) -> dict[str, list[Place]]:
    """Key -> its versions, the newest first, and behind them its delete markers."""
    found: dict[str, list[Place]] = {}
    for place in filter(is_export, snapshot.of("s3")):
        found.setdefault(key_of(place), []).append(place)
    return found


def _kind(key: str) -> str:
    return key.rpartition("/")[2].partition("-")[0]


def _content(text: str) -> str:
    """What was unpacked, without the digest of what is stored."""
    return text.partition("\n")[2]


def _require_masked(key: str, before: str, after: str, people: Sequence[Person]) -> None:
    compare: Mapping[str, Callable[[str, str, Sequence[Person]], None]] = {
        "answers": _require_answers,
        "feed": _require_feed,
        "workers": _require_workers,
    }
    compare[_kind(key)](before, after, people)


def _require_answers(before: str, after: str, people: Sequence[Person]) -> None:
    """Text by text: quotes and line ends too. How an address is cut short is for the rules' own tests."""
    was, now = _rows(_content(before)), _rows(_content(after))
    assert len(was) == len(now)
    header, *rows = was
    expected = [header]
    for row, found in zip(rows, now[1:], strict=True):
        cells = dict(zip(header, row, strict=True))
        person = _person(people, cells["worker_id"], cells["worker_email"])
        if person is not None:
            cells["worker_email"] = MASK
            cells["ip"] = found[header.index("ip")]
            cells["comment"] = _scrubbed(cells["comment"], person)
        expected.append(list(cells.values()))
    assert _content(after) == _written(expected)


def _require_feed(before: str, after: str, people: Sequence[Person]) -> None:
    """Line by line: one without these people is the same text."""
    ids = {person.contributor_id for person in people}
    for was, now in zip(before.splitlines(), after.splitlines(), strict=True):
        document = json.loads(was)
        mine = [answer for answer in document["answers"] if answer["workerId"] in ids]
        for answer in mine:
            answer["worker"] = {"email": MASK, "phones": [MASK for _ in answer["worker"]["phones"]]}
        assert now == was if not mine else json.loads(now) == document


def _require_workers(before: str, after: str, people: Sequence[Person]) -> None:
    """Schema, metadata and row groups, then row by row."""
    schema, *rows = _content(before).split("\n")
    assert schema == _content(after).split("\n")[0]
    ids = {person.contributor_id for person in people}
    for was, now in zip(map(json.loads, rows), map(json.loads, _content(after).split("\n")[1:]), strict=True):
        if was["worker_id"] in ids:
            was |= {"worker_email": MASK, "phone": None, "birth_date": f"{was['birth_date'][:4]}-01-01"}
        assert now == was


def _person(people: Iterable[Person], contributor_id: str, email: str) -> Person | None:
    """The id decides, the email only where there is none."""
    for person in people:
        if contributor_id == person.contributor_id:
            return person
        if not contributor_id and email.strip().lower() in {one.lower() for one in person.emails}:
            return person
    return None


def _scrubbed(text: str, person: Person) -> str:
    for value in (*person.emails, *([person.phone] if person.phone else [])):
        text = re.sub(re.escape(value), MASK, text, flags=re.IGNORECASE)
    return text


def _rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def _written(rows: Iterable[Iterable[Any]]) -> str:
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator="\r\n").writerows(rows)
    return sink.getvalue()
