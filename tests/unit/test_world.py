"""The records of a made-up world: repeatable, of one person each, with those that every test needs."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.world import crews
from sandbox.world.cast import Part
from sandbox.world.contributors import Contributor
from sandbox.world.generate import World, generated_world, labelled_world
from sandbox.world.judgments import judgments, orphans
from sandbox.world.labels import collect_labels
from sandbox.world.load import make_world
from sandbox.world.neighbours import neighbours
from sandbox.world.stores import WorldStores
from sandbox.world.tables import TABLES
from sandbox.world.writers.s3 import files_of
from sandbox.world.writers.search import documents
from tests.unit.world_support import Row, everything, labels_file, rows

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
NAMING_NOBODY = {"projects", "jobs", "units", "login_events", "legal_holds"}


@pytest.fixture(scope="module")
def world() -> World:
    return generated_world(contributors=100, seed=7, as_of=AS_OF)


def needles(each: Contributor) -> set[str]:
    found = {each.person.full_name, each.email, each.person.phone, *each.aliases}
    return {needle.lower() for needle in found}


def moment(row: Row, column: str = "created_at") -> datetime:
    return datetime.fromisoformat(f"{row[column]}+00:00")


def inactive_ids(world: World) -> set[str | None]:
    return {each.contributor_id for each in world.contributors if each.inactive}


def test_the_same_seed_and_time_make_the_same_world_and_another_seed_another_one(world: World) -> None:
    again = generated_world(contributors=100, seed=7, as_of=AS_OF)
    other = generated_world(contributors=100, seed=8, as_of=AS_OF)
    assert everything(again) == everything(world)
    assert {each.email for each in other.contributors}.isdisjoint(each.email for each in world.contributors)
    ids = [{row["judgment_id"]: row["label"] for row in rows(each, "judgments")} for each in (world, other)]
    assert ids[0].keys() == ids[1].keys()
    assert ids[0] != ids[1]


def test_no_row_names_anybody_but_the_person_whose_row_it_is(world: World) -> None:
    edge = world.edge_people()
    namesakes = {edge["namesake"], edge["active_namesake"]}
    people = [each for each in world.contributors if each.contributor_id not in namesakes]
    for name, records in everything(world).items():
        named = 0
        for row in records:
            text = "\n".join(str(value) for value in row.values()).lower()
            found = {
                each.contributor_id for each in people if any(needle in text for needle in needles(each))
            }
            owner = row.get("contributor_id")
            assert len(found) <= 1, name
            assert owner is None or found <= {owner}, name
            named += len(found)
        # The search does find people: in every table that has a name, an email or a phone.
        assert (named > 0) == (name not in NAMING_NOBODY), name


def test_ids_of_rows_are_unique_though_no_row_knows_how_many_came_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crews, "PEOPLE_A_CREW", 30)
    several_crews = generated_world(contributors=100, seed=1, as_of=AS_OF)
    assert len(several_crews.crews) == 4
    for table in TABLES:
        key = table.columns[0]
        if key not in {"contributor_id", "hold_id"} or table.name == "contributors":
            ids = [row[key] for row in rows(several_crews, table.name)]
            assert len(set(ids)) == len(ids) > 0, table.name
    units = {row["unit_id"] for row in rows(several_crews, "units")}
    assert {row["unit_id"] for row in rows(several_crews, "judgments")} == units


@pytest.mark.parametrize("people", [20, 21, 37, 100])
def test_the_edge_people_are_there_whatever_the_size(people: int) -> None:
    world = generated_world(contributors=people, seed=people, as_of=AS_OF)
    edge = world.edge_people()
    assert set(edge) == {part.value for part in Part}
    assert len(set(edge.values())) == len(edge)
    by_id = {each.contributor_id: each for each in world.contributors}
    inactive = inactive_ids(world)

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


def test_the_smallest_world_has_the_first_parts_and_whole_tables() -> None:
    world = generated_world(contributors=10, seed=1, as_of=AS_OF)
    edge = world.edge_people()
    assert set(edge) == {
        *("on_hold", "payment_pending", "namesake", "active_namesake", "aliased", "active_aliased"),
    }
    held = {row["contributor_id"] for row in rows(world, "legal_holds") if row["released_at"] is None}
    pending = {row["contributor_id"] for row in rows(world, "payments") if row["status"] == "pending"}
    # Whoever may be erased is a fifth of all: no more than the product's cap allows.
    assert inactive_ids(world) - held - pending == {edge["namesake"], edge["aliased"]}
    assert all(everything(world).values())


def test_one_in_five_was_last_active_long_ago_and_all_their_records_are_old(world: World) -> None:
    assert len(inactive_ids(world)) == len(world.contributors) // 5
    latest: dict[str | None, datetime] = {}
    for name in ("judgments", "login_events", "payments", "support_messages"):
        for row in rows(world, name):
            latest[row["contributor_id"]] = max(moment(row), latest.get(row["contributor_id"], moment(row)))
    for each in world.contributors:
        assert latest[each.contributor_id] == each.last_active
        assert each.created_at < each.last_active - timedelta(days=100)
        idle = AS_OF - each.last_active
        assert idle > timedelta(days=400) if each.inactive else timedelta() < idle < timedelta(days=300)


def test_orphans_have_an_email_in_another_case_and_no_id(world: World) -> None:
    lost = [row for row in rows(world, "judgments") if row["contributor_id"] is None]
    (crew,) = world.crews
    assert {row["judgment_id"] for row in lost} == {str(each) for each in orphans(crew, world.contributors)}
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
    inactive = inactive_ids(world)
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
    assert {each.inactive for each in files_of(world)} == {True, False}


def test_a_unit_document_counts_its_judgments_and_shows_the_last_to_arrive(world: World) -> None:
    (crew,) = world.crews
    (block,) = judgments(world, crew, world.contributors)
    expected: dict[str, list[dict[str, str]]] = {}
    for unit, position, email, label, at in zip(
        block.unit, block.contributor, block.email, block.label, block.at, strict=True
    ):
        who = world.contributors[position].contributor_id
        judged = {"workerId": who, "workerEmail": email, "label": label, "at": f"{at}+00:00"}
        expected.setdefault(world.unit(unit).unit_id, []).append(judged)
    found = 0
    for index, lines in documents(world, crew, world.contributors):
        action, document = map(json.loads, lines.splitlines())
        assert action == {"create": {"_index": index, "_id": document["unit_id"]}}
        assert index == f"project-{document['project_id']}"
        assert document["judgments"] == expected[document["unit_id"]]
        assert document["judgmentCount"] == len(document["judgments"])
        assert document["latest"] == document["judgments"][-1]
        found += 1
    assert found == len(expected) == world.units


def test_labels_and_addresses_that_look_like_markup_stay_what_they_are(tmp_path: Path) -> None:
    url, label = 'https://tasks.example.org/?q="\\N"&r=\\', 'say "no"\\t, it\'s \\N'
    world = labelled_world(collect_labels(labels_file(tmp_path / "labels", [("a", url, label)])))
    (crew,) = world.crews
    assert [(row["label"], row["unit_id"]) for row in rows(world, "judgments")] == [
        (label, world.unit(0).unit_id)
    ]
    assert [row["url"] for row in rows(world, "units")] == [url]
    ((_, lines),) = documents(world, crew, world.contributors)
    document = json.loads(lines.splitlines()[1])
    assert (document["url"], document["latest"]["label"]) == (url, label)


def test_neighbours_of_an_id_begin_with_it_and_are_nobodys(world: World) -> None:
    ids = {each.contributor_id for each in world.contributors}
    for each in world.contributors:
        names = list(neighbours(each))
        assert bool(names) == (each.part is not None)
        assert all(name.startswith(each.contributor_id) and name not in ids for name in names)


def test_a_labels_file_of_few_workers_is_taken_without_edge_people(tmp_path: Path) -> None:
    world = labelled_world(collect_labels(labels_file(tmp_path / "labels", [("a", "u", "Yes")] * 2)))
    assert world.edge_people() == {}
    assert [row["judgment_id"] for row in rows(world, "judgments")] == ["1", "2"]
    assert len(rows(world, "contributors")) == len(rows(world, "units")) == 1


def test_the_number_of_judgments_is_not_chosen_where_a_file_has_them(tmp_path: Path) -> None:
    labels = labels_file(tmp_path / "labels", [("a", "u", "Yes")])
    assert make_world(labels=labels).judgments == 1
    with pytest.raises(ValueError, match="a labels file has its own judgments"):
        make_world(labels=labels, judgments=2)


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
