"""The made-up world: repeatable, told apart person by person, with the people every test needs."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.world.contributors import Contributor
from sandbox.world.generate import World, generated_world, labelled_world
from sandbox.world.judgments import judgments, orphans
from sandbox.world.labels import LONGEST, LabelsError, collect_labels, read_labels
from sandbox.world.people import MOST_PEOPLE, alias_email, email, full_name, iban, phone
from sandbox.world.stores import WorldStores
from sandbox.world.tables import postgres_tables
from sandbox.world.writers.s3 import files_of
from sandbox.world.writers.search import unit_document

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
FIELDS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40).filter(str.strip)

MALFORMED = {
    "no tabs": (b"w u l\n", "line 1: 1 field"),
    "two fields": (b"w\tu\tl\nw\tu\n", "line 2: 2 fields"),
    "four fields": (b"w\tu\tl\tmore\n", "line 1: 4 fields"),
    "an empty line": (b"w\tu\tl\n\nw\tu\tl\n", "line 2: the line is empty"),
    "a blank worker": (b" \tu\tl\n", "line 1: the worker is blank"),
    "no unit": (b"w\t\tl\n", "line 1: the unit is blank"),
    "a blank label": (b"w\tu\t \n", "line 1: the label is blank"),
    "a NUL": (b"w\tu\x00\tl\n", "line 1: the unit holds a control character"),
    "Latin-1": (b"w\tu\tl\nw\tu\tna\xefve\n", "line 2: byte 7 is not UTF-8"),
    "too long": (b"w\t" + b"u" * (LONGEST + 1) + b"\tl\n", f"line 1: the unit has {LONGEST + 1} characters"),
    "nothing": (b"", "the file is empty"),
}


@pytest.fixture(scope="module")
def world() -> World:
    return generated_world(contributors=100, seed=7, as_of=AS_OF)


def rows(world: World, name: str) -> list[dict[str, object]]:
    table = next(table for table in postgres_tables(world) if table.name == name)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows(world)]


def everything(world: World) -> dict[str, list[dict[str, object]]]:
    return {table.name: rows(world, table.name) for table in postgres_tables(world)}


def needles(each: Contributor) -> set[str]:
    found = {each.person.full_name, each.email, each.person.phone, *each.aliases}
    return {needle.lower() for needle in found}


def people_named(text: str, people: Iterable[Contributor]) -> set[UUID]:
    return {each.contributor_id for each in people if any(needle in text for needle in needles(each))}


def labels_file(path: Path, lines: list[tuple[str, str, str]]) -> Path:
    path.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_the_same_seed_and_time_make_the_same_world_and_another_seed_another_one(world: World) -> None:
    again = generated_world(contributors=100, seed=7, as_of=AS_OF)
    other = generated_world(contributors=100, seed=8, as_of=AS_OF)
    assert everything(again) == everything(world)
    assert {each.email for each in other.contributors}.isdisjoint(each.email for each in world.contributors)


def test_a_worker_is_the_same_person_in_another_file(tmp_path: Path) -> None:
    one = labelled_world(collect_labels(labels_file(tmp_path / "1", [("a", "u", "Yes"), ("b", "u", "No")])))
    two = labelled_world(collect_labels(labels_file(tmp_path / "2", [("c", "u", "Yes"), ("a", "v", "No")])))
    assert one.contributors[0].person == two.contributors[1].person
    assert one.contributors[1].person != two.contributors[0].person


@given(st.sets(st.integers(0, MOST_PEOPLE - 1), min_size=2, max_size=50))
def test_nothing_of_a_person_is_part_of_another_person(some: set[int]) -> None:
    for write in (full_name, email, alias_email, phone, lambda number: iban("DE", number)):
        written = {write(number).lower() for number in some}
        assert len(written) == len(some)
        assert len({len(text.partition("@")[0]) for text in written}) == 1
    assert {email(number) for number in some}.isdisjoint(alias_email(number) for number in some)


def test_names_are_unique_but_for_one_pair_of_namesakes_one_of_whom_is_active(world: World) -> None:
    shared = {name: n for name, n in Counter(e.person.full_name for e in world.contributors).items() if n > 1}
    assert list(shared.values()) == [2]
    pair = [each for each in world.contributors if each.person.full_name in shared]
    assert {each.inactive for each in pair} == {True, False}
    assert len({each.email for each in pair}) == len({each.phone for each in pair}) == len(pair)


def test_emails_are_unique_whatever_their_case_and_some_are_written_in_mixed_case(world: World) -> None:
    written = [each.email for each in world.contributors]
    assert len({address.lower() for address in written}) == len(written)
    assert 0 < sum(address != address.lower() for address in written) < len(written) / 2
    assert all(re.search(r"@example\.(com|org|net)$", address, re.IGNORECASE) for address in written)


def test_some_names_are_not_ascii_and_some_addresses_have_quotes_and_newlines() -> None:
    people = [each.person for each in generated_world(contributors=300, as_of=AS_OF).contributors]
    assert 0 < sum(each.full_name.isascii() for each in people) < len(people)
    assert any("CYRILLIC" in unicodedata.name(each.full_name[0]) for each in people)
    assert any('"' in each.address for each in people)
    assert any("\n" in each.address for each in people)


def test_ibans_have_right_check_digits() -> None:
    written = iban("DE", 12_345)
    moved = written[4:] + written[:4]
    assert int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def test_no_row_names_anybody_but_the_person_whose_row_it_is(world: World) -> None:
    edge = world.edge_people()
    namesakes = {edge["namesake"], edge["active_namesake"]}
    people = [each for each in world.contributors if each.contributor_id not in namesakes]
    for name, records in everything(world).items():
        named = 0
        for row in records:
            text = "\n".join(str(value) for value in row.values()).lower()
            found = people_named(text, people)
            owner = row.get("contributor_id")
            assert len(found) <= 1, name
            assert owner is None or found <= {owner}, name
            named += len(found)
        # The search does find people: in every table that has a name, an email or a phone.
        assert (named > 0) == (name not in {"projects", "jobs", "units", "login_events", "legal_holds"}), name


@pytest.mark.parametrize("people", [20, 21, 37, 100])
def test_the_edge_people_are_there_whatever_the_size(people: int) -> None:
    world = generated_world(contributors=people, seed=people, as_of=AS_OF)
    edge = world.edge_people()
    assert len(set(edge.values())) == len(edge)
    by_id = {each.contributor_id: each for each in world.contributors}
    inactive = {each.contributor_id for each in world.contributors if each.inactive}

    holds = {row["contributor_id"] for row in rows(world, "legal_holds") if row["released_at"] is None}
    assert holds & inactive == {edge["on_hold"]}
    assert edge["active_on_hold"] in holds
    pending = {row["contributor_id"] for row in rows(world, "payments") if row["status"] == "pending"}
    assert pending & inactive == {edge["payment_pending"]}
    owner_of = {row["judgment_id"]: row["contributor_id"] for row in rows(world, "judgments")}
    disputes = {owner_of[row["judgment_id"]] for row in rows(world, "disputes") if row["status"] == "open"}
    assert disputes & inactive == {edge["dispute_open"]}
    assert edge["active_on_hold"] in disputes

    assert by_id[edge["old_half"]].merged_into == edge["active_half"]
    assert by_id[edge["twin_merged"]].merged_into == edge["twin"]
    assert {edge["old_half"], edge["twin"], edge["twin_merged"]} <= inactive
    assert edge["active_half"] not in inactive
    aliased = {row["contributor_id"] for row in rows(world, "contributor_aliases")}
    assert {edge["aliased"], edge["active_aliased"], edge["twin"]} <= aliased


def test_one_in_five_was_last_active_long_ago_and_all_their_records_are_old(world: World) -> None:
    inactive = {each.contributor_id for each in world.contributors if each.inactive}
    assert len(inactive) == len(world.contributors) // 5
    latest: dict[object, datetime] = {}
    for name in ("judgments", "login_events", "payments", "support_messages"):
        for row in rows(world, name):
            at = row["created_at"]
            assert isinstance(at, datetime)
            latest[row["contributor_id"]] = max(at, latest.get(row["contributor_id"], at))
    for each in world.contributors:
        assert latest[each.contributor_id] == each.last_active
        assert each.created_at < each.last_active - timedelta(days=100)
        idle = AS_OF - each.last_active
        assert idle > timedelta(days=400) if each.inactive else timedelta() < idle < timedelta(days=300)


def test_orphans_have_an_email_in_another_case_and_no_id(world: World) -> None:
    lost = [row for row in rows(world, "judgments") if row["contributor_id"] is None]
    assert {row["judgment_id"] for row in lost} == orphans(world)
    owners = {each.email.lower(): each for each in world.contributors}
    found = [owners[str(row["contributor_email"]).lower()] for row in lost]
    assert {each.inactive for each in found} == {True, False}
    assert all(
        row["contributor_email"] not in (each.email, each.person.email)
        for row, each in zip(lost, found, strict=True)
    )


def test_messages_from_outside_have_blanks_and_capitals_and_no_id(world: World) -> None:
    outside = [row for row in rows(world, "support_messages") if row["contributor_id"] is None]
    owners = {each.email.lower(): each for each in world.contributors}
    senders = [str(row["sender_email"]) for row in outside]
    assert all(sender != sender.strip() and sender == sender.upper() for sender in senders)
    assert {owners[sender.strip().lower()].inactive for sender in senders} == {True, False}


def test_every_table_of_people_has_rows_of_both_inactive_and_active_people(world: World) -> None:
    inactive = {each.contributor_id for each in world.contributors if each.inactive}
    owner_of = {row["judgment_id"]: row["contributor_id"] for row in rows(world, "judgments")}
    for name, records in everything(world).items():
        if name in {"projects", "jobs", "units"}:
            continue
        owners = {
            row["contributor_id"] if "contributor_id" in row else owner_of[row["judgment_id"]]
            for row in records
        }
        assert owners & inactive, name
        assert owners - inactive - {None}, name
    files = {world.contributors[place].inactive for place in files_of(world)}
    assert files == {True, False}


def test_a_unit_document_counts_its_judgments_and_shows_the_last_to_arrive(world: World) -> None:
    first = [each for each in judgments(world) if each.unit.unit_id == world.unit(0).unit_id]
    document = unit_document(first)
    assert document["judgmentCount"] == len(document["judgments"]) == len(first)
    last = max(first, key=attrgetter("judgment_id"))
    assert document["latest"]["label"] == last.label
    assert document["latest"]["at"] == last.created_at.isoformat()
    assert document["latest"] in document["judgments"]


def test_a_world_of_too_few_contributors_is_refused() -> None:
    assert len(generated_world(contributors=20).contributors) == 20
    with pytest.raises(ValueError, match="at least 20 contributors, 19 asked for"):
        generated_world(contributors=19)


def test_a_labels_file_of_few_workers_is_taken_without_edge_people(tmp_path: Path) -> None:
    world = labelled_world(collect_labels(labels_file(tmp_path / "labels", [("a", "u", "Yes")] * 2)))
    assert world.edge_people() == {}
    assert [row["judgment_id"] for row in rows(world, "judgments")] == [1, 2]
    assert len(rows(world, "contributors")) == len(rows(world, "units")) == 1


def test_every_worker_unit_and_line_of_a_labels_file_is_in_the_world(tmp_path: Path) -> None:
    lines = [
        (f"w{n % 25}", f"https://tasks.example.org/{n % 40}", "Yes" if n % 3 else "No") for n in range(500)
    ]
    world = labelled_world(collect_labels(labels_file(tmp_path / "labels", lines)))
    assert len(rows(world, "contributors")) == 25
    url_of = {row["unit_id"]: row["url"] for row in rows(world, "units")}
    assert sorted(map(str, url_of.values())) == sorted({line[1] for line in lines})
    judged = sorted(rows(world, "judgments"), key=lambda row: int(str(row["judgment_id"])))
    assert [(url_of[row["unit_id"]], row["label"]) for row in judged] == [line[1:] for line in lines]
    assert world.edge_people()


@given(st.lists(st.tuples(FIELDS, FIELDS, FIELDS), min_size=1, max_size=20), st.sampled_from(["\n", "\r\n"]))
def test_labels_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str, str]], ending: str
) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.tsv"
    path.write_bytes(ending.join("\t".join(line) for line in lines).encode())
    assert [(each.worker, each.unit, each.label) for each in read_labels(path)] == lines
    assert [each.line for each in read_labels(path)] == list(range(1, len(lines) + 1))
    collected = collect_labels(path)
    assert [collected.workers[place] for place in collected.worker_of] == [line[0] for line in lines]


@pytest.mark.parametrize(("content", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_labels_file_is_refused_with_its_line_and_what_was_expected(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "labels.tsv"
    path.write_bytes(content)
    with pytest.raises(LabelsError, match=re.escape(message)):
        collect_labels(path)


def test_a_labels_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"absent\.tsv: cannot be read \(No such file or directory\)"):
        collect_labels(tmp_path / "absent.tsv")


def test_a_byte_order_mark_is_not_part_of_the_first_worker(tmp_path: Path) -> None:
    path = tmp_path / "labels.tsv"
    path.write_bytes(b"\xef\xbb\xbfw\tu\tl\n")
    assert [each.worker for each in read_labels(path)] == ["w"]


def test_stores_do_not_show_their_secrets() -> None:
    stores = WorldStores(
        postgres_dsn="password=hidden-1",
        clickhouse_host="localhost",
        clickhouse_port=1,
        clickhouse_username="kepler",
        clickhouse_password="hidden-2",
        search_url="http://u:hidden-3@localhost",
        s3_endpoint_url="http://localhost",
        s3_region="r",
        s3_key="hidden-4",
        s3_secret="hidden-5",
        s3_bucket="files",
        redis_host="localhost",
        redis_port=2,
        redis_password="hidden-6",
    )
    assert "hidden" not in repr(stores)
    assert "kepler" in repr(stores)
