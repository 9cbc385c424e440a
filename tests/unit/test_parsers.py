"""What the small parsers promise for any input: an answer or a refusal, the same answer again, and no value repeated.

Holds: properties of job URLs, batch ids, key templates of Redis and S3, values of Redis, paths in mappings and
documents, labels, emails.
Add here: a property of another parser that has no module of its own.
Keep out: examples (each parser's own tests), CSVs, ini files and inventories (`test_request.py`, `test_settings.py`,
`test_inventory.py`, `test_inventory_files.py`).
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from erasure.errors import BadInput, StoreRefused
from erasure.inventory import Field, InventoryObject, Subject
from erasure.job_api.client import JobApi
from erasure.rules import ASCII_BLANKS, MASK, Rule, normalise_email
from erasure.stores.redis.places import place_of
from erasure.stores.redis.templates import Wanted
from erasure.stores.redis.values import Unreadable, owner_in
from erasure.stores.s3.keys import KeyTemplate
from erasure.stores.search.elements import Judge
from erasure.stores.search.layout import in_groups, leaf_fields
from erasure.targets import Needle, TargetSet, mint_batch_id, require_batch_id
from expectations.readers.documents import Document
from expectations.readers.keys import KeyPattern
from sandbox.world.labels import LabelsError, collect_labels
from tests.inventory_fixtures import kepler_inventory

PLACEHOLDER = "{contributor_id}"
SECRET = "zq7secret"
UNITS = kepler_inventory().of("elasticsearch")[0]
ids = st.uuids().map(str)
texts = st.text(max_size=20)
# What may stand around an id in a key: nothing that is part of an id, so that it is clear where one ends.
around = st.text("ghxyz:/._~ é\n", min_size=1, max_size=6)


# Emails


@given(st.text(max_size=20))
def test_an_email_is_normalised_once_and_for_all(email: str) -> None:
    once = normalise_email(email)
    assert normalise_email(once) == once
    assert once == once.strip(ASCII_BLANKS)
    assert not re.search("[A-Z]", once)
    assert once.lower() == email.strip(ASCII_BLANKS).lower()


# Batch ids


@given(st.text(max_size=30) | st.from_regex(r"b\d{8}T\d{6}Z-[0-9a-f]{3,5}"))
@example("b\u0662\u0660\u0662\u0666\u0660\u0661\u0660\u0662T030405Z-abcdef")
@example("b20260102T030405Z-abcdef\n")
def test_a_batch_id_stands_in_statements_and_paths_as_it_is_or_is_refused(name: str) -> None:
    try:
        batch_id = require_batch_id(name)
    except BadInput as refused:
        assert "is no batch id such as" in str(refused)
    else:
        assert batch_id == name
        assert name.isascii() and name.replace("-", "").isalnum()


def test_every_batch_id_of_ours_is_one() -> None:
    assert all(require_batch_id(one) == one for one in (mint_batch_id() for _ in range(100)))


# Job URLs


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """One for all, since each reads all certificates; nothing is sent."""
    with httpx.Client() as client:
        yield client


segments = st.text("abcXYZ019-_~.", min_size=1, max_size=8).filter(lambda text: text.strip("."))


@given(
    scheme=st.sampled_from(["http", "https"]),
    host=st.sampled_from(["localhost", "client.example.com", "127.0.0.1", "[::1]"]),
    port=st.none() | st.integers(1, 65_535),
    before=st.lists(segments, max_size=3),
    job=segments,
    more=st.text("abc019-_~", max_size=12),
)
def test_a_job_url_keeps_its_job_and_its_secret(
    http: httpx.Client, scheme: str, host: str, port: int | None, before: list[str], job: str, more: str
) -> None:
    secret = SECRET + more
    path = "".join(f"/{part}" for part in before) + f"/jobs/{job}"
    api = JobApi(f" {scheme}://{host}{f':{port}' if port else ''}{path}/?secret={secret}#x ", http)
    assert (api._job.path, api._job.query) == (path, f"secret={secret}")
    assert SECRET not in repr(api)


@given(
    st.text(max_size=30)
    | st.lists(st.sampled_from(["http", "://", "h", "/jobs/", "?secret=", "@", ":", "1", "%"])).map("".join)
)
@example("http://[")
@example("http://h:1:2/jobs/1?secret=")
@example("http://\u2100/jobs/1?secret=1")
def test_any_text_is_a_job_url_or_bad_input_that_does_not_repeat_it(http: httpx.Client, text: str) -> None:
    try:
        JobApi(f"{text}{SECRET}", http)
    except BadInput as refused:
        assert "[api] job_url or --job-url" in str(refused)
        assert SECRET not in str(refused)


# Key templates


def redis_object(key: str, **more: Any) -> InventoryObject:
    return InventoryObject(
        store="redis",
        name="thing",
        source="kepler_redis",
        schema="kepler_redis",
        location=key,
        rule=Rule.DELETE,
        **({"subject": Subject()} | more),
    )


@given(before=around, after=st.just("") | around, one=ids, other=ids, tail=st.text("a0:/-", max_size=3))
def test_a_key_in_s3_belongs_to_the_whole_id_in_it(
    before: str, after: str, one: str, other: str, tail: str
) -> None:
    template = KeyTemplate(f"{before}{PLACEHOLDER}{after}")
    judge = KeyPattern(f"{before}{PLACEHOLDER}{after}", is_folder=after.endswith("/"))
    key = f"{before}{one}{after}"
    assert template.owner(key) == judge.owner(key) == one
    # Of a uuid, in capital letters too.
    assert template.prefixes(one)[0] == key
    assert set(template.prefixes(one)) <= {key, f"{before}{one.upper()}{after}"}
    assert template.owner(f"{before}{one}{other}{after}") not in (one, other)
    assert template.owner(f"x{key}") != one
    if after.endswith("/"):
        assert template.owner(key + tail) == judge.owner(key + tail) == one
    elif tail:
        assert template.owner(key + tail) != one
        assert judge.owner(key + tail) != one


@given(
    template=st.lists(st.sampled_from(["a/", PLACEHOLDER, "*", ".", "{", "}"]), max_size=5).map("".join),
    key=texts,
)
def test_any_template_of_s3_is_one_or_bad_input(template: str, key: str) -> None:
    try:
        found = KeyTemplate(template)
    except BadInput as refused:
        assert template.count(PLACEHOLDER) != 1
        assert "s3.yml" in str(refused)
        return
    owner = found.owner(key)
    if owner is not None:
        assert key.startswith(template.partition(PLACEHOLDER)[0] + owner)
    try:
        assert found.owner(found.prefixes(key)[0]) == key
    except StoreRefused:
        # An id that holds what ends an id would be overlooked: it is refused instead.
        assert key == "" or template.partition(PLACEHOLDER)[2][:1] in key


@given(before=around, after=around, one=ids, rest=st.text("ab0:", max_size=6))
def test_a_key_in_redis_belongs_to_the_whole_id_in_it(before: str, after: str, one: str, rest: str) -> None:
    template = f"{before}{PLACEHOLDER}{after}*"
    place = place_of(redis_object(template))
    judge = KeyPattern(template)
    key = f"{before}{one}{after}{rest}"
    owner = place.template.owner(key.encode())
    assert owner is not None
    assert owner.decode() == judge.owner(key) == one
    assert place.template.owner(f"{before}{one}0{after}{rest}".encode()) != one.encode()


# Values of Redis


TARGETS = TargetSet(
    batch_id="b1",
    contributor_ids=frozenset({"u1", "7"}),
    needles=(Needle(contributor_id="u1", kind="email", value="ann@example.com"),),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["u1", "7", 7]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def owned(value: bytes) -> bool | None:
    item = redis_object("session:*", subject=Subject(contributor_id="who", email="mail"))
    try:
        return owner_in(value, item, Wanted(TARGETS, "text"))[0] is not None
    except Unreadable:
        return None


@given(
    who=json_values,
    mail=json_values | st.sampled_from([" ANN@example.com", "bob@example.com"]),
    rest=json_values,
)
def test_a_value_says_whose_it_is_by_its_id_by_its_email_or_not_at_all(
    who: Any, mail: Any, rest: Any
) -> None:
    answer = owned(json.dumps({"who": who, "mail": mail, "rest": rest}).encode())
    if isinstance(who, str | int) and not isinstance(who, bool):
        assert answer is (str(who) in TARGETS.contributor_ids)
    elif who is None and isinstance(mail, str):
        assert answer is (normalise_email(mail) in TARGETS.emails)
    else:
        assert answer is None


@given(st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b"1" * 5_000)
@example(b'{"who": ' + b"1" * 5_000 + b"}")
@example("{}".encode("utf-16"))
def test_a_value_that_is_no_object_says_nothing(value: bytes) -> None:
    if owned(value) is not None:
        document = json.loads(value)
        assert isinstance(document, dict)
        assert {"who", "mail"} & set(document)


# Paths in mappings and documents


names = st.text("abc_", min_size=1, max_size=3)
mappings: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.sampled_from(
        [{"type": "keyword"}, {"type": "text", "fields": {"raw": {"type": "keyword"}}}, {"enabled": False}]
    ),
    lambda inner: st.builds(
        lambda kind, properties: {**kind, "properties": properties},
        st.sampled_from([{}, {"type": "nested"}, {"dynamic": "false"}]),
        st.dictionaries(names, inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)


def holding(mapping: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """Independently: every path at whose end no further properties stand."""
    if "properties" not in mapping:
        yield ".".join(path)
    for name, inner in mapping.get("properties", {}).items():
        yield from holding(inner, (*path, name))


@given(st.dictionaries(names, mappings, max_size=3))
def test_the_fields_of_a_mapping_are_the_ends_of_its_paths(properties: dict[str, Any]) -> None:
    expected = sorted(path for path in holding({"properties": properties}) if path)
    assert sorted(leaf_fields({"properties": properties})) == expected


@given(st.sets(st.text("abc-", min_size=1, max_size=40), max_size=400))
def test_names_come_back_from_their_groups(indices: set[str]) -> None:
    groups = list(in_groups(indices))
    assert [name for group in groups for name in group.split(",")] == sorted(indices)
    assert all(len(group) < 3_100 for group in groups)


def spelled(steps: list[str], joined: list[bool], leaf: Mapping[str, Any]) -> dict[str, Any]:
    """A document with these steps above its leaves, some of them written in one key with a dot between."""
    document: dict[str, Any] = dict(leaf)
    for step, join in zip(reversed(steps), joined, strict=False):
        document = {f"{step}.{key}": value for key, value in document.items()} if join else {step: document}
    return document


@given(
    steps=st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True),
    joined=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_a_value_and_its_owner_are_found_by_store_and_judge_however_they_are_written(
    steps: list[str], joined: list[bool]
) -> None:
    parent = "".join(f"{step}." for step in steps)
    document = spelled(steps, joined, {"mail": "m", "who": "w"})
    item = replace(
        UNITS,
        fields=(Field(name=f"{parent}mail", rule=Rule.CONSTANT, owner=f"{parent}who"),),
    )
    targets = TargetSet(batch_id="b-test", contributor_ids=frozenset({"w"}))
    assert [change.value for change in Judge(item, targets).examine(document).changes] == [MASK]
    assert Judge(item, replace(targets, contributor_ids=frozenset({"v"}))).examine(document).changes == []
    judged = Document(document)
    ((lists, value),) = judged.values(f"{parent}mail")
    assert (value, judged.beside(f"{parent}mail", lists, f"{parent}who")) == ("m", ["w"])


# Labels


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text("wul\t\n\r \ufeff\x85\u2028", max_size=40).map(str.encode))
def test_any_bytes_are_labels_or_refused_by_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.tsv"
    path.write_bytes(content)
    try:
        labels = collect_labels(path)
    except LabelsError as refused:
        assert re.match(rf"{re.escape(str(path))}(, line \d+)?: ", str(refused))
    else:
        written = [
            "\t".join((labels.workers[w], labels.units[u], labels.label_texts[text]))
            for w, u, text in zip(labels.worker_of, labels.unit_of, labels.label_of, strict=True)
        ]
        lines = content.decode("utf-8-sig").split("\n")
        assert written == [line.removesuffix("\r") for line in lines[: len(written)]]
        assert not "".join(lines[len(written) :])


@given(ids)
def test_an_id_in_capitals_is_the_same_to_whoever_judges(one: str) -> None:
    assume(one != one.upper())
    assert KeyPattern(f"a/{PLACEHOLDER}").owner(f"a/{one.upper()}") == one == str(uuid.UUID(one.upper()))


@pytest.mark.parametrize("text", ["", "{", PLACEHOLDER])
def test_a_template_without_an_id_names_nobody(text: str) -> None:
    assert KeyPattern(text).owner("") is None
