"""The search store on a real engine: whose a field is, in documents of every shape.

Holds: owners around and beside a field, emails that decide, lists, documents about one person, and the same said
thrice: by the script in the engine, by the store's own judge and by verification.
Add here: a way in which a document says whose something is.
Keep out: mappings (`test_search_mappings.py`), rules (`test_search_rules.py`).
"""

import random
from typing import Any

import pytest

from erasure.inventory import Subject
from erasure.rules import MASK, Rule
from erasure.stores.base import no_progress
from erasure.stores.search.elements import Judge
from erasure.stores.search.store import SearchStore
from tests.contract.search_shapes import judged, known, pattern, ruled
from tests.contract.search_support import ANY_MAPPING, CONTROLS, TARGETS, Ground, only

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")

T, OTHER, C = TARGETS[0], TARGETS[1], CONTROLS[0]

# Fields, documents before, documents after (None: as before), conflicts.
SHAPES: dict[str, tuple[tuple[Any, ...], list[tuple[Any, Any]], int]] = {
    "an id around": (
        (ruled("list[].meta.email", "list[].id"),),
        [
            (
                {"list": [{"id": T.id, "meta": {"email": "x"}}, {"id": C.id, "meta": {"email": "y"}}]},
                {"list": [{"id": T.id, "meta": {"email": MASK}}, {"id": C.id, "meta": {"email": "y"}}]},
            ),
            (
                {"list": {"id": T.id, "meta": [{"email": "x"}, {"email": ["y", None]}, {}]}},
                {"list": {"id": T.id, "meta": [{"email": MASK}, {"email": [MASK, None]}, {}]}},
            ),
            (
                {"list": [{"id": T.id}, {"meta": {"email": "x"}}, {"meta": {"email": T.email.upper()}}]},
                {"list": [{"id": T.id}, {"meta": {"email": "x"}}, {"meta": {"email": MASK}}]},
            ),
            (
                {"list": [{"id": T.id}], "list.meta.email": "x"},
                None,
            ),
        ],
        0,
    ),
    "an id at the root": (
        (ruled("profile.contact.email", "id"), ruled("profile.name", "id", Rule.CLEAR)),
        [
            (
                {"id": T.id, "profile": {"name": "Ada", "contact": {"email": "x"}, "size": 1}},
                {"id": T.id, "profile": {"name": None, "contact": {"email": MASK}, "size": 1}},
            ),
            ({"id": C.id, "profile": {"name": "Ada", "contact": {"email": "x"}}}, None),
            (
                {"id": T.id.upper(), "profile.name": "Ada", "profile": {"contact.email": "x"}},
                {"id": T.id.upper(), "profile.name": None, "profile": {"contact.email": MASK}},
            ),
        ],
        0,
    ),
    "an id in an object beside": (
        (ruled("contacts[].email", "user.id"),),
        [
            (
                {"user": {"id": T.id}, "contacts": [{"email": "x"}, {"email": "y"}]},
                {"user": {"id": T.id}, "contacts": [{"email": MASK}, {"email": MASK}]},
            ),
            (
                {"user": [{"id": T.id}, {"id": OTHER.id}], "contacts": {"email": "x"}},
                {"user": [{"id": T.id}, {"id": OTHER.id}], "contacts": {"email": MASK}},
            ),
            ({"user": [{"id": T.id}, {"id": C.id}], "contacts": {"email": "x"}}, None),
            ({"user": {"id": C.id}, "contacts": {"email": T.email}}, None),
        ],
        2,
    ),
    "lists without an id": (
        (ruled("emails", "id"), ruled("name", "id")),
        [
            (
                {"emails": [T.email.upper(), C.email, "z"], "name": "Ada"},
                {"emails": [MASK, C.email, "z"], "name": "Ada"},
            ),
            ({"emails": [T.email, OTHER.email], "name": "Ada"}, {"emails": [MASK, MASK], "name": MASK}),
            ({"id": T.id, "emails": [C.email, "z"]}, {"id": T.id, "emails": [MASK, MASK]}),
            ({"id": None, "emails": [C.email], "name": "Bo"}, None),
        ],
        0,
    ),
    "an email that decides for itself": (
        (ruled("watchers", email="watchers"), ruled("team[].mail", email="team[].mail", rule=Rule.CLEAR)),
        [
            (
                {"watchers": [C.email, f" {T.email} "], "team": [{"mail": T.email}, {"mail": C.email}]},
                {"watchers": [C.email, MASK], "team": [{"mail": None}, {"mail": C.email}]},
            ),
            ({"watchers": T.email, "team": {}}, {"watchers": MASK, "team": {}}),
        ],
        0,
    ),
    "an email that decides for others": (
        (ruled("people[].name", email="people[].mail"), ruled("people[].mail", email="people[].mail")),
        [
            (
                {"people": [{"name": "Ada", "mail": T.email}, {"name": "Bo", "mail": C.email}]},
                {"people": [{"name": MASK, "mail": MASK}, {"name": "Bo", "mail": C.email}]},
            ),
            (
                {"people": [{"name": "Ada", "mail": MASK}, {"name": "Bo"}]},
                {"people": [{"name": MASK, "mail": MASK}, {"name": "Bo"}]},
            ),
            (
                {"people": {"name": "Both", "mail": [T.email, C.email]}},
                {"people": {"name": "Both", "mail": [MASK, C.email]}},
            ),
        ],
        1,
    ),
}


@pytest.mark.parametrize("fields, documents, conflicts", SHAPES.values(), ids=list(SHAPES))
def test_only_what_belongs_to_a_target_is_masked(
    ground: Ground, fields: tuple[Any, ...], documents: list[tuple[Any, Any]], conflicts: int
) -> None:
    index = ground.index("a", ANY_MAPPING)
    ground.fill(index, [{"n": n, **before} for n, (before, _) in enumerate(documents)])
    item, targets = pattern(f"{ground.prefix}-*", *fields), known(T, OTHER)
    untouched = list(ground.read(index).values())

    plan = only(ground.store(item).count(targets))
    done = only(ground.store(item).mask(targets, no_progress))

    after = ground.read_sources(index, by="n")
    for n, (before, expected) in enumerate(documents):
        assert after[n] == {"n": n, **(before if expected is None else expected)}
    assert (
        plan.records
        == done.records
        == sum(expected is not None and expected != b for b, expected in documents)
    )
    assert plan.conflicts == conflicts
    versions = {entry["version"] for entry in ground.read(index).values() if entry in untouched}
    assert versions <= {1}
    if not conflicts:
        assert all(reading.survivors == 0 for reading in judged(ground, item, targets))
        assert sum(reading.masked for reading in judged(ground, item, targets)) > 0


def test_a_document_about_one_person_is_masked_by_its_id_or_else_its_email(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING)
    ground.fill(
        index,
        [
            {"n": 0, "who": {"id": T.id}, "mail": "other", "addresses": [{"street": "S"}], "kind": "k"},
            {"n": 1, "mail": T.email.upper(), "addresses": [{"street": "S"}, {"street": "R"}], "kind": "k"},
            {"n": 2, "who": {"id": C.id}, "mail": C.email, "addresses": {"street": "S"}, "kind": "k"},
            {"n": 3, "who": {"id": None}, "mail": MASK, "addresses": {"street": "S"}, "kind": "k"},
        ],
    )
    item = pattern(
        f"{ground.prefix}-*",
        ruled("mail"),
        ruled("addresses[].street"),
        subject=Subject(contributor_id="who.id", email="mail"),
    )
    before = {reading.field: reading.survivors for reading in judged(ground, item, known(T))}

    done = only(ground.store(item).mask(known(T), no_progress))

    after = ground.read_sources(index, by="n")
    assert before == {"mail": 2, "addresses[].street": 4}
    assert done.records == 3
    assert [after[n]["mail"] for n in range(4)] == [MASK, MASK, C.email, MASK]
    assert after[1]["addresses"] == [{"street": MASK}, {"street": MASK}]
    assert after[2]["addresses"] == {"street": "S"}
    assert after[3]["addresses"] == {"street": MASK}
    assert all(reading.survivors == 0 for reading in judged(ground, item, known(T)))


def test_documents_about_one_person_go_as_a_whole_and_nobody_elses(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING)
    ground.fill(
        index,
        [
            {"n": 0, "who": {"id": T.id}, "mail": C.email},
            {"n": 1, "mail": f" {T.email.upper()}"},
            {"n": 2, "who": {"id": C.id}, "mail": "c@example.net"},
            {"n": 3, "who": {"id": [T.id, C.id]}},
            {"n": 4, "mail": [T.email, C.email]},
            {"n": 5, "mail": MASK},
            {"n": 6, "who.id": [T.id, OTHER.id]},
        ],
    )
    subject = Subject(contributor_id="who.id", email="mail")
    item, targets = pattern(f"{ground.prefix}-*", subject=subject, rule=Rule.DELETE), known(T, OTHER)
    before = judged(ground, item, targets)

    plan = only(ground.store(item).count(targets))
    done = only(ground.store(item).mask(targets, no_progress))

    assert sorted(ground.read_sources(index, by="n")) == [2, 3, 4, 5]
    assert (plan.records, plan.conflicts, plan.total) == (3, 2, 7)
    assert done.records == 3
    assert [(reading.field, reading.survivors) for reading in before] == [("*", 4)]
    # What names two people is refused when it is planned, and never taken for clean.
    assert judged(ground, item, targets)[0].survivors == 1
    assert only(ground.store(item).count(targets)).records == 0


def test_targets_in_parts_are_all_masked_where_one_document_names_several(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING)
    documents: list[dict[str, Any]] = [
        {"n": n, "list": [{"id": worker.id, "email": worker.email} for worker in (*TARGETS, C)]}
        for n in range(5)
    ]
    documents.append({"n": 5, "list": {"id": [TARGETS[0].id, TARGETS[7].id], "email": "x"}})
    documents.append({"n": 6, "list": {"email": TARGETS[6].email.upper()}})
    ground.fill(index, documents)
    item, targets = pattern(f"{ground.prefix}-*", ruled("list[].email", "list[].id")), known(*TARGETS)
    told: list[int] = []
    store = SearchStore(ground.server, (item,), ids_at_once=3)

    done = only(store.mask(targets, lambda name, step, total: told.append(step)))

    after = ground.read_sources(index, by="n")
    for n in range(5):
        assert [each["email"] for each in after[n]["list"]] == [MASK] * len(TARGETS) + [C.email]
    assert (after[5]["list"]["email"], after[6]["list"]["email"]) == (MASK, MASK)
    assert done.records == 7
    assert told == sorted(told)
    assert told[-1] == 7


@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.full), pytest.param(3, marks=pytest.mark.full)]
)
def test_the_script_the_judge_here_and_verification_say_the_same_of_any_document(
    ground: Ground, seed: int
) -> None:
    chance = random.Random(seed)
    targets = known(T, OTHER)
    for number, fields in enumerate(
        (
            (ruled("a.b.mail", "a.id"), ruled("a.b.name", "a.id", Rule.CLEAR)),
            (ruled("a.b.mail", "a.b.id"), ruled("a.b.name", "a.b.id")),
            (ruled("a.b.name", email="a.mail"), ruled("a.mail", email="a.mail")),
            (ruled("a.b.mail", "c.id", email="c.mail"), ruled("c.mail", "c.id")),
        )
    ):
        index = ground.index(f"{seed}-{number}", {"enabled": False})
        item = pattern(index, *fields)
        sources = [{"n": n, **_any_source(chance)} for n in range(250)]
        ground.fill(index, sources)
        findings = [Judge(item, targets).examine(source) for source in sources]

        plan = only(ground.store(item).count(targets))
        ground.store(item).mask(targets, no_progress)

        assert plan.records == sum(bool(finding.changes) for finding in findings)
        assert plan.elements == sum(len(finding.changes) for finding in findings)
        assert plan.total_elements == sum(finding.total_elements for finding in findings)
        assert plan.conflicts == sum(finding.conflicts for finding in findings)
        assert 0 < plan.records < 250
        after = ground.read_sources(index, by="n")
        for source, finding in zip(sources, findings, strict=True):
            changes = finding.changes
            while changes:
                for change in changes:
                    _put(source, change.steps, change.value)
                # A mask makes its neighbours subject too, so that there may be more to do.
                changes = Judge(item, targets).examine(source).changes
            assert after[source["n"]] == source
        if not plan.conflicts:
            assert all(reading.survivors == 0 for reading in judged(ground, item, targets))


def _any_source(chance: random.Random) -> dict[str, Any]:
    """Objects, lists and dotted keys of the names a, b, c, id, mail, name, at random."""
    leaves = {
        "id": (T.id, T.id, C.id, None, [T.id, OTHER.id], [T.id, C.id]),
        "mail": (
            T.email,
            T.email.upper(),
            C.email,
            MASK,
            None,
            [T.email, C.email],
            [OTHER.email, [T.email]],
            5,
        ),
        "name": ("Ada", MASK, ["Ada", T.email], None, {"first": "Ada"}),
    }

    def node(depth: int) -> Any:
        made: dict[str, Any] = {}
        for key in chance.sample(["a", "b", "c", "id", "mail", "name"], chance.randint(1, 4)):
            name = f"{chance.choice('ab')}.{key}" if chance.random() < 0.15 else key
            if key in leaves:
                made[name] = chance.choice(leaves[key])
            elif depth:
                several = [node(depth - 1) for _ in range(chance.randint(0, 3))]
                made[name] = several if chance.random() < 0.4 else node(depth - 1)
        return made

    return {"a": node(2), "c": node(0), **node(1)}


def _put(node: Any, steps: tuple[Any, ...], value: Any) -> None:
    for step in steps[:-1]:
        node = node[step]
    node[steps[-1]] = value
