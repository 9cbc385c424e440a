"""Globs of files with rows of many people: how they are declared, and every wrong line named.

Add here: another key of a glob, and what it must fulfil.
Keep out: reading such files (`test_rows_*.py`), and other stores (`test_inventory.py`).
"""

from typing import Any

import pytest

from erasure.errors import BadInput
from erasure.inventory import Inventory, Rows, Subject
from erasure.rules import Rule
from tests.inventory_fixtures import rows_inventory

SUBJECT = {"contributor_id": "id", "email": "email"}
FLAT: dict[str, Any] = {"glob": "exports/**/*.csv.gz", "subject": SUBJECT}
NESTED: dict[str, Any] = {"glob": "dumps/*.jsonl"}
EMAIL = ("email", {"rule": "constant"})


def read(meta: dict[str, Any], *columns: tuple[str, dict[str, Any]]) -> Inventory:
    return rows_inventory(meta, *columns)


def test_a_glob_with_columns_says_whose_a_row_is_and_how_it_is_written() -> None:
    label = ("label", {"rule": "keep", "reason": "work product"})
    read_item = read(FLAT | {"delimiter": ";", "encoding": "latin-1"}, EMAIL, label).of("s3")[0]
    assert read_item.location == "exports/**/*.csv.gz"
    assert read_item.subject == Subject(contributor_id="id", email="email")
    assert read_item.rows == Rows(delimiter=";", encoding="latin-1")
    assert [field.rule for field in read_item.fields] == [Rule.CONSTANT, Rule.KEEP]
    assert read_item.known_fields == {"id", "email", "label"}


def test_a_key_of_one_person_has_no_rows() -> None:
    item = read({"key": "a/{contributor_id}/", "rule": "delete"}).of("s3")[0]
    assert item.rows is None and item.location == "a/{contributor_id}/"


def test_rows_may_go_as_a_whole_and_elements_may_have_owners_around_them() -> None:
    assert read(FLAT | {"rule": "delete"}).of("s3")[0].rule is Rule.DELETE
    owners = read(
        NESTED,
        ("latest.email", {"rule": "constant", "owner": "latest.id"}),
        ("judgments[].email", {"rule": "constant", "owner": "judgments[].id"}),
        ("judgments[].notes[].text", {"rule": "scrub_text", "owner": "judgments[].id"}),
    )
    assert len(owners.of("s3")[0].ruled_fields) == 3


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("a/b.csv", ("csv", None)),
        ("a/b.CSV.GZ", ("csv", "gzip")),
        ("a/b.tsv.zst", ("tsv", "zstd")),
        ("a/b.ndjson", ("jsonl", None)),
        ("a/b.jsonl.gz", ("jsonl", "gzip")),
        ("a/b.json", ("json", None)),
        ("a/b.snappy.parquet", ("parquet", None)),
        ("a/b.gz", (None, "gzip")),
        ("a/b", (None, None)),
    ],
)
def test_format_and_compression_are_told_by_suffixes(key: str, told: tuple[str | None, str | None]) -> None:
    assert Rows().format_of(key) == told


def test_what_the_inventory_says_of_a_format_stands_before_a_suffix() -> None:
    assert Rows(format="csv", compression="zstd").format_of("a/b.json.gz") == ("csv", "zstd")


@pytest.mark.parametrize(
    ("meta", "columns", "sentence"),
    [
        (
            FLAT | {"key": "a/{contributor_id}/"},
            [EMAIL],
            "has key and glob; records are found by one of them",
        ),
        ({"rule": "delete"}, [], "needs key or glob, the pattern"),
        (FLAT | {"glob": "a/{contributor_id}.csv"}, [EMAIL], "glob has braces"),
        (FLAT | {"glob": "a/*"}, [EMAIL], "needs format, one of csv, tsv, jsonl, json, parquet"),
        (FLAT | {"format": "xml"}, [EMAIL], "format: expected one of csv, tsv, jsonl, json, parquet"),
        (FLAT | {"delimiter": "x"}, [EMAIL], 'delimiter: expected one of "," ";" "|" or "\\t"'),
        (FLAT | {"delimiter": ",;"}, [EMAIL], "delimiter: expected one of"),
        (FLAT | {"compression": "zip"}, [EMAIL], "compression: expected one of gzip, zstd"),
        (NESTED | {"subject": SUBJECT, "delimiter": ";"}, [EMAIL], "delimiter is for csv"),
        (NESTED | {"subject": SUBJECT, "encoding": "latin-1"}, [EMAIL], "encoding is for csv and tsv"),
        ({"glob": "*.csv"}, [EMAIL], "needs a subject: contributor_id or email"),
        ({"glob": "*.csv", "rule": "delete"}, [], "needs a subject: contributor_id or email"),
        (NESTED, [EMAIL], "needs a subject: contributor_id or email"),
        (FLAT, [], "needs rule delete, or columns with rules"),
        (FLAT | {"rule": "constant"}, [EMAIL], "rule constant is for columns; rows as a whole know delete"),
        (FLAT | {"rule": "delete"}, [EMAIL], "has the rule delete, so that no column"),
        (FLAT, [("email", {"rule": "delete"})], "thing.email: delete is for whole rows"),
        (FLAT, [("email", {"rule": "constant", "owner": "id"})], "thing.email: owner is for paths"),
        (FLAT, [("email", {"rule": "constant", "email": "mail"})], "thing.email: email is for documents of"),
        (
            NESTED,
            [("b[].e", {"rule": "constant", "owner": "b[].i", "email": "b[].m"})],
            "thing.b[].e: email is for documents of",
        ),
        (FLAT, [("label", {"rule": "keep"}), EMAIL], "thing.label: keep needs a reason"),
        (
            NESTED,
            [("b[].e", {"rule": "constant", "owner": "a[].i"})],
            "its owner must stand in the same element",
        ),
        (NESTED, [("b..e", {"rule": "constant", "owner": "i"})], "'b..e' is no path such as"),
        (NESTED, [("b[]", {"rule": "constant", "owner": "i"})], "'b[]' is no path such as"),
        (NESTED | {"subject": {"contributor_id": "b[].i"}}, [EMAIL], "'b[].i' is no path within the row"),
        (
            NESTED | {"subject": SUBJECT},
            [("b", {"rule": "constant"}), ("b.e", {"rule": "constant"})],
            "thing.b.e: lies within b, which has a rule itself",
        ),
        (
            NESTED | {"subject": SUBJECT},
            [("b.e", {"rule": "constant"}), ("b[].e", {"rule": "constant"})],
            "thing.b[].e: is the same field as b.e",
        ),
        (
            FLAT | {"subject": {"via": {"table": "t", "column": "c", "parent_column": "p"}}},
            [EMAIL],
            "thing: via is for tables; whose a row is says contributor_id or email",
        ),
        (FLAT | {"glob": "*.parquet.gz"}, [EMAIL], "thing: compression is not for parquet"),
    ],
)
def test_every_wrong_line_of_a_glob_is_named(
    meta: dict[str, Any], columns: list[tuple[str, dict[str, Any]]], sentence: str
) -> None:
    with pytest.raises(BadInput) as refused:
        read(meta, *columns)
    assert sentence in str(refused.value)
    assert "inventory.yml: toy_s3.thing" in str(refused.value)
