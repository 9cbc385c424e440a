"""The people who are hard to find or to let go: each kind is named here, and found in the loaded stores."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import LiteralString

import pytest

from sandbox.world.generate import generated_world, today
from sandbox.world.load import WorldSummary, make_world, write_world
from sandbox.world.stores import WorldStores
from tests.contract.world_support import clickhouse, object_versions, postgres, redis, search, silent

# Each finds somebody, whatever the seed; `inactive` is who may be about to be erased.
IN_POSTGRES: dict[str, LiteralString] = {
    "an email in mixed case": "select 1 from contributors where email <> lower(email)",
    "an email written down in capitals": (
        "select 1 from judgments join contributors c using (contributor_id)"
        " where contributor_email = upper(c.email) and contributor_email <> c.email"
    ),
    "two emails of one person that differ by more than case": (
        "select 1 from contributors c join contributor_aliases a using (contributor_id)"
        " where lower(a.email) <> lower(c.email)"
    ),
    "a further email in capitals": "select 1 from contributor_aliases where email = upper(email)",
    "work done under a further email": (
        "select 1 from judgments join contributor_aliases a using (contributor_id) where contributor_email = a.email"
    ),
    "two people of one name, one of them inactive": (
        "select 1 from people one join people other using (full_name)"
        " where one.contributor_id <> other.contributor_id and one.inactive and not other.inactive"
    ),
    "two accounts of one person, both inactive": (
        "select 1 from people one join people other on one.merged_into = other.contributor_id"
        " where one.inactive and other.inactive"
    ),
    "an inactive account of somebody who works under another one": (
        "select 1 from people one join people other on one.merged_into = other.contributor_id"
        " where one.inactive and not other.inactive"
    ),
    "a hold on somebody inactive": (
        "select 1 from legal_holds join people using (contributor_id) where inactive and released_at is null"
    ),
    "a hold on somebody active": (
        "select 1 from legal_holds join people using (contributor_id) where not inactive and released_at is null"
    ),
    "a hold that was released": (
        "select 1 from legal_holds join people using (contributor_id) where inactive and released_at is not null"
    ),
    "a payment that somebody inactive waits for": (
        "select 1 from payments p join people using (contributor_id) where inactive and p.status = 'pending'"
    ),
    "an open dispute of somebody inactive": (
        "select 1 from disputes d join judgments using (judgment_id) join people using (contributor_id)"
        " where inactive and d.status = 'open'"
    ),
    "a name in Cyrillic": "select 1 from people where full_name ~ '[а-яА-Я]' and inactive",
    "a name with accents": "select 1 from people where full_name ~ '[áçéëłñøöšüýÇŁŠ]'",
    "an address with quotes and a line break": (
        "select 1 from people where address like '%\"%' and position(chr(10) in address) > 0 and inactive"
    ),
    "a message with quotes, angle brackets or carriage returns": (
        "select 1 from support_messages where position(chr(13) in body) > 0"
    ),
    "a judgment that has lost its contributor": "select 1 from judgments where contributor_id is null",
    "a judgment without an email": "select 1 from judgments where contributor_email is null",
    "a message from outside, its email typed with blanks and capitals": (
        "select 1 from support_messages where contributor_id is null and sender_email <> btrim(sender_email)"
        " and sender_email = upper(sender_email)"
    ),
    "an address of the newer network": "select 1 from judgments where ip like '2001:db8:%'",
    "somebody suspended": "select 1 from contributors where status = 'suspended'",
    "somebody without a phone": "select 1 from contributors where phone is null",
}
_PEOPLE: LiteralString = (
    "with people as (select c.*, (select max(created_at) from login_events l"
    " where l.contributor_id = c.contributor_id) < now() - interval '365 days' as inactive from contributors c) "
)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    stores: WorldStores
    summary: WorldSummary

    def id_of(self, part: str) -> str:
        return self.summary.edge_people[part]

    def emails_of(self, part: str) -> list[str]:
        """The stored one first."""
        rows = postgres(
            self.stores,
            "select contributor_id::text, email from contributors union all"
            " select contributor_id::text, email from contributor_aliases",
        )
        return [email for contributor_id, email in rows if contributor_id == self.id_of(part)]


@pytest.fixture(scope="module")
def loaded(world_stores: WorldStores) -> Loaded:
    made = generated_world(contributors=100, seed=1, as_of=today())
    return Loaded(stores=world_stores, summary=write_world(world_stores, world=made, progress=silent))


@pytest.mark.parametrize("query", IN_POSTGRES.values(), ids=IN_POSTGRES.keys())
def test_postgres_has(loaded: Loaded, query: LiteralString) -> None:
    assert postgres(loaded.stores, _PEOPLE + query)


def capitals_in_clickhouse(loaded: Loaded) -> bool:
    email = loaded.emails_of("aliased")[0].upper()
    query = "SELECT count() FROM app_events WHERE worker_email = {email:String}"
    return bool(clickhouse(loaded.stores).query(query, {"email": email}).result_rows[0][0])


def last_alias_in_clickhouse(loaded: Loaded) -> bool:
    """Under it alone, without an id: only the list of further emails leads there."""
    query = "SELECT count() FROM app_events WHERE worker_email = {email:String}"
    email = loaded.emails_of("aliased")[-1]
    return bool(clickhouse(loaded.stores).query(query, {"email": email}).result_rows[0][0])


def nobody_in_clickhouse(loaded: Loaded) -> bool:
    query = "SELECT count() FROM app_events WHERE worker_email IS NULL"
    return bool(clickhouse(loaded.stores).query(query).result_rows[0][0])


def two_forms_of_one_email_in_search(loaded: Loaded) -> bool:
    by_id = {"term": {"judgments.workerId": loaded.id_of("namesake")}}
    hits = search(loaded.stores).search(index="project-*", body={"size": 1_000, "query": by_id})["hits"][
        "hits"
    ]
    found = {
        each["workerEmail"]
        for hit in hits
        for each in hit["_source"]["judgments"]
        if each["workerId"] == loaded.id_of("namesake")
    }
    return len(found) > len({email.lower() for email in found})


def several_people_in_one_document(loaded: Loaded) -> bool:
    by_id = {"term": {"judgments.workerId": loaded.id_of("twin")}}
    hits = search(loaded.stores).search(index="project-*", body={"query": by_id})["hits"]["hits"]
    return any(len({each["workerId"] for each in hit["_source"]["judgments"]}) > 1 for hit in hits)


def old_versions_and_delete_markers_in_s3(loaded: Loaded) -> bool:
    versions, markers = object_versions(loaded.stores)
    return bool(markers) and any(not each["IsLatest"] for each in versions)


def several_sessions_of_one_person_in_redis(loaded: Loaded) -> bool:
    client = redis(loaded.stores)
    return any(int(client.scard(key)) > 1 for key in client.scan_iter("sessions_by_contributor:*"))


ELSEWHERE: dict[str, Callable[[Loaded], bool]] = {
    "an email in capitals, known by email alone": capitals_in_clickhouse,
    "the last of several further emails, known by email alone": last_alias_in_clickhouse,
    "an event while nobody was logged in": nobody_in_clickhouse,
    "one email in two forms in documents": two_forms_of_one_email_in_search,
    "documents that many people share": several_people_in_one_document,
    "older versions, and delete markers on top": old_versions_and_delete_markers_in_s3,
    "several sessions of one person": several_sessions_of_one_person_in_redis,
}


@pytest.mark.parametrize("found", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_other_stores_have(loaded: Loaded, found: Callable[[Loaded], bool]) -> None:
    assert found(loaded)


@pytest.mark.parametrize("part", ["twin", "namesake", "aliased", "active_aliased"])
def test_an_id_is_the_beginning_of_names_that_are_not_this_persons(loaded: Loaded, part: str) -> None:
    contributor_id = loaded.id_of(part)
    versions, _ = object_versions(loaded.stores, f"contributors/{contributor_id}")
    owners = {each["Key"].split("/")[1] for each in versions}
    client = redis(loaded.stores)
    profiles = {str(key).partition(":")[2] for key in client.scan_iter(f"profile:{contributor_id}*")}
    indices = {
        str(key).partition(":")[2] for key in client.scan_iter(f"sessions_by_contributor:{contributor_id}*")
    }
    others = {f"{contributor_id}0", f"{contributor_id}-old"}
    assert owners == profiles == {contributor_id, *others}
    assert indices - {contributor_id} == others
    known = {str(each) for (each,) in postgres(loaded.stores, "select contributor_id from contributors")}
    assert others.isdisjoint(known)
    values = {str(email) for (email,) in postgres(loaded.stores, "select email from contributors")}
    for name in others:
        assert values.isdisjoint(client.hgetall(f"profile:{name}").values())


def test_the_smallest_world_fills_all_stores_and_tables(world_stores: WorldStores) -> None:
    summary = write_world(
        world_stores, world=make_world(contributors=10, judgments=40, seed=1), progress=silent
    )
    assert summary.counts["postgres"]["contributors"] == 10
    assert summary.counts["postgres"]["judgments"] == summary.counts["clickhouse"]["unit_metrics"] == 40
    assert all(number for counts in summary.counts.values() for number in counts.values())
    parts = {"on_hold", "payment_pending", "namesake", "active_namesake", "aliased", "active_aliased"}
    assert summary.edge_people.keys() == parts
