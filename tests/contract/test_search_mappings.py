"""The search store on a real engine: whatever a mapping says, documents are masked, or planning refuses.

Holds: mappings that hide a field from queries, that do not take the mask, or do not have the field.
Add here: a parameter or type of mappings.
Keep out: whose a field is (`test_search_shapes.py`).
"""

from typing import Any

import pytest

from erasure.inventory import InventoryObject
from erasure.rules import MASK, Rule
from erasure.stores.base import no_progress
from tests.contract.search_shapes import judged, known, pattern, ruled
from tests.contract.search_support import ANY_MAPPING, CONTROLS, TARGETS, Ground, only

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")

T, C = TARGETS[0], CONTROLS[0]
KEYWORD = {"type": "keyword"}
# How an id or an email may be mapped, and whether planning says how it is handled.
HIDING: dict[str, dict[str, Any]] = {
    "text": {"type": "text"},
    "text with a keyword": {"type": "text", "fields": {"raw": {"type": "keyword", "ignore_above": 256}}},
    "not indexed": {"type": "keyword", "index": False},
    "cut off": {"type": "keyword", "ignore_above": 8},
    "without doc values": {"type": "keyword", "doc_values": False},
    "stored unseen": {"type": "object", "enabled": False},
    "copied": {"type": "keyword", "copy_to": "all"},
}
SEARCHABLE = {"text with a keyword", "without doc values", "copied"}
SAMPLE = {"cut off", "text with a keyword", "stored unseen"}
CASES = [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.full) for name in HIDING]


def emails(ground: Ground) -> InventoryObject:
    return pattern(
        f"{ground.prefix}-*",
        ruled("who.email", "who.id"),
        ruled("n", "who.id", Rule.KEEP),
        ruled("all", "who.id", Rule.KEEP),
    )


def mapped(parent: dict[str, Any], identity: dict[str, Any], email: dict[str, Any]) -> dict[str, Any]:
    who = {**parent, "properties": {"id": identity, "email": email}}
    return {"properties": {"n": {"type": "long"}, "all": {"type": "text"}, "who": who}}


@pytest.mark.parametrize("case", CASES)
def test_no_mapping_hides_anybody(ground: Ground, case: str) -> None:
    for number, mapping in enumerate(
        (
            mapped({}, HIDING[case], KEYWORD),
            mapped({}, KEYWORD, HIDING[case]),
            mapped({"type": "nested"}, HIDING[case], HIDING[case]),
        )
    ):
        documents = [
            {"n": 0, "who": {"id": T.id, "email": T.email}},
            {"n": 1, "who": {"email": T.email.upper()}},
            {"n": 2, "who": [{"id": C.id, "email": C.email}, {"id": T.id, "email": "another@example.com"}]},
            {"n": 3, "who": {"id": C.id, "email": C.email}},
        ]
        ground.fill(ground.index(f"{number}", mapping), documents)
    survey = ground.store(emails(ground)).survey()
    assert survey.problems == ()
    searched = [said for said in survey.notices if "who.id cannot be searched for whole ids" in said]
    assert bool(searched) is (case not in SEARCHABLE)

    done = only(ground.store(emails(ground)).mask(known(T), no_progress))

    assert done.records == 9
    for number in range(3):
        after = ground.read_sources(f"{ground.prefix}-{number}", by="n")
        assert after[0]["who"]["email"] == after[1]["who"]["email"] == after[2]["who"][1]["email"] == MASK
        assert after[2]["who"][0]["email"] == after[3]["who"]["email"] == C.email
    assert all(reading.survivors == 0 for reading in judged(ground, emails(ground), known(T)))


def test_fields_that_a_mapping_does_not_name_are_masked_and_told_of(ground: Ground) -> None:
    ground.fill(ground.index("a", {"dynamic": False}), [{"n": 0, "who": {"id": T.id, "email": "x"}}])

    survey = ground.store(emails(ground)).survey()
    done = only(ground.store(emails(ground)).mask(known(T), no_progress))

    assert survey.problems == ()
    assert any("the mapping does not look into who.email" in said for said in survey.notices)
    assert any("dynamic: false" in said for said in survey.notices)
    assert done.records == 1
    assert ground.read_sources(f"{ground.prefix}-a", by="n")[0]["who"] == {"id": T.id, "email": MASK}


@pytest.mark.parametrize(
    "definition, rule, says",
    [
        ({"type": "date"}, Rule.CONSTANT, "of type date, which does not take what the rule constant makes"),
        ({"type": "ip"}, Rule.HASH, "of type ip"),
        ({"type": "long"}, Rule.UNIQUE, "of type long"),
        ({"type": "boolean"}, Rule.CONSTANT, "of type boolean"),
        ({"type": "ip"}, Rule.COARSEN_DATE, "of type ip"),
        ({"type": "date"}, Rule.TRUNCATE_IP, "of type date"),
        ({"type": "object", "properties": {"x": KEYWORD}}, Rule.CONSTANT, "an object; rule its fields"),
        ({"type": "keyword", "fields": {"at": {"type": "date"}}}, Rule.CONSTANT, "through who.email.at"),
        ({"type": "keyword", "copy_to": "n"}, Rule.CONSTANT, "of type long through n"),
        ({"type": "alias", "path": "n"}, Rule.CONSTANT, "another name for a field"),
        ({"type": "date"}, Rule.COARSEN_DATE, None),
        ({"type": "ip"}, Rule.TRUNCATE_IP, None),
        ({"type": "ip"}, Rule.CLEAR, None),
        ({"type": "long", "ignore_malformed": True}, Rule.CONSTANT, None),
    ],
)
def test_a_masked_value_that_does_not_fit_the_mapping_is_refused_at_planning(
    ground: Ground, definition: dict[str, Any], rule: Rule, says: str | None
) -> None:
    index = ground.index("a", mapped({}, KEYWORD, definition))
    fields = (ruled("who.email", "who.id", rule), *emails(ground).fields[1:])

    problems = ground.store(pattern(f"{ground.prefix}-*", *fields)).survey().problems

    if says is None:
        assert problems == ()
    else:
        assert len(problems) == 1
        assert f"index {index} has the field who.email, " in problems[0]
        assert says in problems[0]
        assert "dbt_project/models/kepler/inventory/elasticsearch.yml" in problems[0]


def test_a_ruled_field_or_owner_in_no_mapping_is_refused_and_one_in_some_is_fine(ground: Ground) -> None:
    ground.index("a", mapped({}, KEYWORD, KEYWORD))
    ground.index("b", {"dynamic": "strict", "properties": {"n": {"type": "long"}}})
    location = f"{ground.prefix}-*"
    rest = emails(ground).fields[1:]

    assert ground.store(emails(ground)).survey().problems == ()
    for field, missing in (
        (ruled("who.email", "who.idd"), "who.idd"),
        (ruled("who.mail", "who.id"), "who.mail"),
        (ruled("who.email", email="mail"), "mail"),
    ):
        known_too = (ruled("who.email", "who.id", Rule.KEEP), ruled("who.id", "who.id", Rule.KEEP))
        item = pattern(location, field, *rest, *(each for each in known_too if each.name != field.name))
        problems = ground.store(item).survey().problems
        assert len(problems) == 1
        assert (
            f"no index of {location} has the field {missing}; correct it at shapes in dbt_project"
            in problems[0]
        )


def test_an_index_that_makes_up_its_source_is_refused_by_name(ground: Ground) -> None:
    index = ground.index("a", {**mapped({}, KEYWORD, KEYWORD), "_source": {"excludes": ["who.email"]}})

    problems = ground.store(emails(ground)).survey().problems

    assert problems[0].startswith(f"elasticsearch: index {index} does not keep its whole _source")


def test_a_hidden_index_and_a_pipeline_are_told_of(ground: Ground) -> None:
    shape = mapped({}, KEYWORD, KEYWORD)
    hidden = ground.index("a", shape, settings={"hidden": True})
    piped = ground.index("b", shape, settings={"default_pipeline": "some-pipeline"})

    notices = ground.store(emails(ground)).survey().notices

    assert any(f"index {hidden}: hidden, and masked like the others" in said for said in notices)
    assert any(f"index {piped}: with an ingest pipeline" in said for said in notices)


def test_a_data_stream_is_masked_in_all_its_indices(ground: Ground) -> None:
    if not _has_streams(ground):
        # Elasticsearch of the sandbox knows none: then its pattern is one of plain indices.
        ground.fill(ground.index("a", ANY_MAPPING), [{"n": 0, "who": {"id": T.id, "email": "x"}}])
        assert only(ground.store(emails(ground)).mask(known(T), no_progress)).records == 1
        return
    stream = f"{ground.prefix}-stream"
    template = {
        "index_patterns": [stream],
        "data_stream": {},
        "template": {"settings": {"number_of_replicas": 0}},
    }
    ground.client.indices.put_index_template(name=stream, body=template)
    try:
        for n in range(2):
            document = {
                "@timestamp": "2024-05-06",
                "n": n,
                "who": {"id": T.id, "email": T.email},
                "text": T.email,
            }
            ground.client.index(index=stream, body=document, params={"op_type": "create"})
            ground.client.indices.rollover(alias=stream)
        fields = (ruled("who.email", "who.id"), ruled("text", "who.id", Rule.SCRUB_TEXT))
        for item in (pattern(stream, fields[0]), pattern(stream, *fields)):
            assert only(ground.store(item).mask(known(T), no_progress)).records == 2
            assert only(ground.store(item).count(known(T))).records == 0
        hits = ground.client.search(index=stream)["hits"]["hits"]
        assert [(hit["_source"]["who"]["email"], hit["_source"]["text"]) for hit in hits] == [
            (MASK, MASK)
        ] * 2
        assert all(reading.survivors == 0 for reading in judged(ground, item, known(T)))
    finally:
        ground.client.transport.perform_request("DELETE", f"/_data_stream/{stream}")
        ground.client.indices.delete_index_template(name=stream)


def _has_streams(ground: Ground) -> bool:
    return ground.client.info()["version"].get("distribution") == "opensearch"
