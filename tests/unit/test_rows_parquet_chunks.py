"""Parquet by chunks: what no rule is about has the bytes that it had, wherever it stands now, and can be read there.

Add here: another part of a file that must be copied, or pointed to anew.
Keep out: what becomes of ruled values (`test_rows_parquet.py`).
"""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chdb import session
from hypothesis import example, given, settings
from hypothesis import strategies as st
from thrift.protocol.TProtocol import TType

from erasure.rules import MASK
from erasure.stores.s3.rows.base import Flaw, UnreadableRows
from erasure.stores.s3.rows.parquet.footer import footer_bytes, footer_of
from erasure.stores.s3.rows.parquet.thrift_trees import Tree, read_tree, tree_bytes
from tests.unit.rows_support import ANN, BOB, CONTROL, KEPT, TARGET, prepared, rewritten

CANARY = "zz-canary-7e1c@example.com"


def file_of(table: pa.Table, **options: Any) -> bytes:
    """A file of Parquet with that table."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def metadata_of(raw: bytes) -> Any:
    return pq.ParquetFile(io.BytesIO(raw)).metadata


def pages_of(raw: bytes, group: int, column: int) -> bytes:
    """The bytes of a chunk, as Arrow says where they are."""
    told = metadata_of(raw).row_group(group).column(column)
    start = min(offset for offset in (told.data_page_offset, told.dictionary_page_offset) if offset)
    return raw[start : start + told.total_compressed_size]


def page_bytes(raw: bytes, group: int, column: int) -> list[bytes]:
    """The bytes of each page of a chunk, as its offset index says where they are."""
    chunk = footer_of(io.BytesIO(raw)).chunks(group)[column]
    assert chunk.offset_index is not None
    index = read_tree(raw[slice(*chunk.offset_index)])
    locations = [(page.get_value(1), page.get_value(2)) for page in index.elements(1)]
    return [raw[start : start + size] for start, size in locations]


def table_of(rows: list[tuple[str, str, int]]) -> pa.Table:
    columns = list(zip(*rows, strict=True))
    return pa.table(
        {
            "label": pa.array(columns[2], pa.int64()),
            "id": columns[0],
            "email": columns[1],
            "note": [{"a": [str(number)] * (number % 3), "b": None} for number in columns[2]],
        }
    )


PLAIN = (("email", {"rule": "constant"}), ("label", KEPT), ("note", KEPT))
SUBJECT = {"contributor_id": "id", "email": "email"}


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from([TARGET, CONTROL]), st.sampled_from([ANN, BOB]), st.integers(0, 9)),
        min_size=1,
        max_size=12,
    ),
    codec_name=st.sampled_from(["snappy", "zstd", "none"]),
    group=st.integers(1, 5),
    page_version=st.sampled_from(["1.0", "2.0"]),
    index=st.booleans(),
    checked=st.booleans(),
    blooms=st.booleans(),
    statistics=st.booleans(),
)
def test_every_column_without_a_rule_keeps_its_bytes_pages_indexes_and_filters(
    rows: list[tuple[str, str, int]],
    codec_name: str,
    group: int,
    page_version: str,
    index: bool,
    checked: bool,
    blooms: bool,
    statistics: bool,
) -> None:
    raw = file_of(
        table_of(rows),
        compression=codec_name,
        row_group_size=group,
        data_page_version=page_version,
        write_page_index=index,
        write_page_checksum=checked,
        write_statistics=statistics,
        bloom_filter_options={"id": {"ndv": 10}, "email": {"ndv": 10}} if blooms else None,
    )
    codec, rules = prepared("a.parquet", *PLAIN, subject=SUBJECT)
    result, _ = rewritten(codec, raw, rules)
    expected = [
        (one, MASK if one == TARGET or email == MASK else email, number) for one, email, number in rows
    ]
    assert pq.read_table(io.BytesIO(result), page_checksum_verification=True).equals(table_of(expected))
    old, new = metadata_of(raw), metadata_of(result)
    assert (new.created_by, new.format_version, new.num_row_groups) == (
        old.created_by,
        old.format_version,
        old.num_row_groups,
    )
    leaves = [old.schema.column(at).path for at in range(len(old.schema))]
    for number in range(old.num_row_groups):
        for at, path in enumerate(leaves):
            was, now = old.row_group(number).column(at), new.row_group(number).column(at)
            assert (now.has_offset_index, now.has_column_index, now.is_stats_set) == (
                was.has_offset_index,
                was.has_column_index,
                was.is_stats_set,
            )
            assert (now.bloom_filter_offset is None) == (was.bloom_filter_offset is None)
            if index:
                held = pages_of(result, number, at)
                assert all(page in held for page in page_bytes(result, number, at))
            if path != "email":
                assert pages_of(result, number, at) == pages_of(raw, number, at)
                assert (now.statistics, now.encodings) == (was.statistics, was.encodings)
                if index:
                    assert page_bytes(result, number, at) == page_bytes(raw, number, at)
                if was.bloom_filter_offset is not None:
                    length = was.bloom_filter_length
                    assert (
                        result[now.bloom_filter_offset :][:length] == raw[was.bloom_filter_offset :][:length]
                    )


def test_a_group_with_no_row_of_a_target_keeps_no_value_that_only_its_dictionary_has() -> None:
    dictionary = pa.array([CANARY, BOB])
    # The second group's dictionary has the canary, and no row of it does.
    mails = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1, 1]), dictionary)
    table = pa.table({"id": [TARGET, CONTROL, CONTROL, CONTROL], "email": mails, "label": [1, 2, 3, 4]})
    raw = file_of(table, compression="none", row_group_size=2)
    assert CANARY.encode() in pages_of(raw, 1, 1)
    codec, rules = prepared("a.parquet")
    result, counts = rewritten(codec, raw, rules)
    assert counts.to_mask == 1
    assert CANARY.encode() not in result and BOB.encode() in pages_of(result, 1, 1)
    assert pq.read_table(io.BytesIO(result)).column("email").to_pylist() == [MASK, BOB, BOB, BOB]


def test_groups_without_rows_stay_where_they_are() -> None:
    table = table_of([(TARGET, ANN, 1), (CONTROL, BOB, 2)])
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema) as writer:
        for part in (table.slice(0, 0), table, table.slice(0, 0)):
            writer.write_table(part)
    raw = sink.getvalue()
    codec, rules = prepared("a.parquet", *PLAIN, subject=SUBJECT)
    result, counts = rewritten(codec, raw, rules)
    old, new = metadata_of(raw), metadata_of(result)
    assert counts.to_mask == 1
    assert [new.row_group(at).num_rows for at in range(new.num_row_groups)] == [0, 2, 0]
    assert [pages_of(result, 2, at) for at in (0, 1)] == [pages_of(raw, 2, at) for at in (0, 1)]
    assert old.num_columns == new.num_columns
    assert pq.read_table(io.BytesIO(result)).column("email").to_pylist() == [MASK, BOB]


def test_the_order_of_rows_is_said_no_further_than_to_the_first_column_that_has_a_rule() -> None:
    sorting = [pq.SortingColumn(0), pq.SortingColumn(2), pq.SortingColumn(1)]
    raw = file_of(table_of([(TARGET, ANN, 1), (CONTROL, BOB, 2)]), sorting_columns=sorting)
    codec, rules = prepared("a.parquet", *PLAIN, subject=SUBJECT)
    result, _ = rewritten(codec, raw, rules)
    assert list(metadata_of(result).row_group(0).sorting_columns) == sorting[:1]


def test_sizes_that_a_group_says_are_those_of_its_columns() -> None:
    raw = file_of(table_of([(TARGET, ANN, 1)] * 50 + [(CONTROL, BOB, 2)] * 50), row_group_size=50)
    codec, rules = prepared("a.parquet", *PLAIN, subject=SUBJECT)
    result, _ = rewritten(codec, raw, rules)
    for group in footer_of(io.BytesIO(result)).groups:
        columns = [column.get_value(3) for column in group.elements(1)]
        assert group.get_value(2) == sum(column.get_value(6) for column in columns)
        assert group.get_value(6) == sum(column.get_value(7) for column in columns)
    footer = footer_of(io.BytesIO(result))
    starts = [footer.chunks(group)[0].pages[0] for group in (0, 1)]
    assert [group.get_value(5) for group in footer.groups] == starts
    assert starts[0] == len(b"PAR1")


def test_a_group_that_cannot_be_held_is_written_as_several_with_the_same_rows() -> None:
    # Of a text of 1,500 letters that all rows share, the file has one; in memory every row has its own.
    rows = 68_000
    table = pa.table(
        {
            "id": [TARGET] + [CONTROL] * (rows - 1),
            "email": [CANARY + "x" * 1_500] * rows,
            "label": range(rows),
        }
    )
    raw = file_of(table, row_group_size=rows)
    codec, rules = prepared("a.parquet")
    result, counts = rewritten(codec, raw, rules)
    found = pq.read_table(io.BytesIO(result))
    assert (counts.to_mask, metadata_of(raw).num_row_groups) == (1, 1)
    assert metadata_of(result).num_row_groups > 1
    assert found.slice(1).equals(table.slice(1))
    assert found.column("email")[0].as_py() == MASK


def test_a_file_that_clickhouse_has_written_keeps_its_writer_and_the_bytes_of_other_columns() -> None:
    with session.Session() as engine:
        query = (
            f"select if(number % 2, '{TARGET}', '{CONTROL}') as id, if(number % 2, '{ANN}', '{BOB}') as email,"
            " number as label, [tuple(toString(number), null::Nullable(String))] as note from numbers(1000)"
        )
        raw = bytes(engine.query(query, "Parquet").bytes())
    codec, rules = prepared("a.parquet", *PLAIN, subject=SUBJECT)
    result, counts = rewritten(codec, raw, rules)
    old, new = pq.read_table(io.BytesIO(raw)), pq.read_table(io.BytesIO(result))
    assert (counts.rows, counts.to_mask) == (1000, 500)
    assert "ClickHouse" in metadata_of(result).created_by
    assert metadata_of(result).created_by == metadata_of(raw).created_by
    assert new.drop_columns("email").equals(old.drop_columns("email"))
    for row, (was, now) in enumerate(zip(old["email"].to_pylist(), new["email"].to_pylist(), strict=True)):
        told = now if isinstance(now, str) else now.decode()
        assert told == MASK if row % 2 else now == was
    leaves = [metadata_of(raw).schema.column(at).path for at in range(metadata_of(raw).num_columns)]
    others = [at for at, path in enumerate(leaves) if path != "email"]
    assert [pages_of(result, 0, at) for at in others] == [pages_of(raw, 0, at) for at in others]


def as_others_write(raw: bytes) -> bytes:
    """The file with other names in its lists, a note at each column, and offsets as old writers told them."""
    footer = footer_of(io.BytesIO(raw))
    for element in footer.tree.elements(2):
        if element.get_value(4) == b"element":
            element.put(4, b"array_element")
    for chunk in footer.chunks(0):
        kind, path = chunk.meta.get_value(3)
        chunk.meta.put(3, (kind, [b"array_element" if step == b"element" else step for step in path]))
        note = Tree({1: (TType.STRING, b"made"), 2: (TType.STRING, b"by hand")})
        noted = Tree(sorted({**chunk.meta, 8: (TType.LIST, (TType.STRUCT, [note]))}.items()))
        chunk.tree.put(3, noted)
    first, *others = footer.chunks(0)
    first.tree.put(2, first.pages[0])
    for chunk in others:
        # Behind its pages once stood a copy of what is said of them.
        chunk.tree.put(2, chunk.pages[1])
    return raw[: footer.start] + footer_bytes(footer)


def test_names_notes_and_offsets_of_other_writers_stay_what_they_say() -> None:
    people = [[{"id": TARGET, "email": ANN}], [{"id": CONTROL, "email": BOB}, None], None]
    kind = pa.list_(pa.struct([("id", pa.string()), ("email", pa.string())]))
    table = pa.table({"label": [1, 2, 3], "people": pa.array(people, kind), "more": [4, 5, 6]})
    raw = as_others_write(file_of(table))
    codec, rules = prepared(
        "a.parquet",
        ("people[].email", {"rule": "constant", "owner": "people[].id"}),
        ("label", KEPT),
        ("more", KEPT),
    )
    result, counts = rewritten(codec, raw, rules)
    old, new = footer_of(io.BytesIO(raw)), footer_of(io.BytesIO(result))
    assert counts.to_mask == 1
    assert old.tree.elements(2) == new.tree.elements(2)
    assert pq.read_table(io.BytesIO(result)).column("people").to_pylist() == [
        [{"id": TARGET, "email": MASK}],
        *people[1:],
    ]
    assert b"array_element" in new.chunks(0)[1].meta.get_value(3)[1]
    for was, now in zip(old.chunks(0), new.chunks(0), strict=True):
        assert [now.meta.get_value(number) for number in (3, 8)] == [
            was.meta.get_value(number) for number in (3, 8)
        ]
    # Of what is copied it moves along; the others stood where nothing is any more.
    assert [chunk.tree.get_value(2) for chunk in new.chunks(0)] == [new.chunks(0)[0].pages[0], 0, 0, 0]


def test_a_type_that_arrow_would_write_otherwise_is_an_error_where_it_has_a_rule() -> None:
    raw = file_of(pa.table({"id": [TARGET], "email": [ANN], "label": ["x"]}))
    codec, rules = prepared("a.parquet")
    for column, is_error in (("email", True), ("label", False)):
        footer = footer_of(io.BytesIO(raw))
        (element,) = [each for each in footer.tree.elements(2) if each.get_value(4) == column.encode()]
        # One of a few values, which to Arrow is a text.
        element.put(6, 4)
        element.put(10, Tree({4: (TType.STRUCT, Tree())}))
        other = io.BytesIO(raw[: footer.start] + footer_bytes(footer))
        if is_error:
            with pytest.raises(UnreadableRows, match="Arrow would not write"):
                codec.rewrite(other, io.BytesIO(), rules)
        else:
            assert codec.rewrite(other, io.BytesIO(), rules).to_mask == 1


def test_a_filter_of_unknown_length_is_made_anew_with_all_columns() -> None:
    table = table_of([(TARGET, ANN, 1), (CONTROL, BOB, 2)])
    raw = file_of(table, bloom_filter_options={"id": {"ndv": 10}})
    footer = footer_of(io.BytesIO(raw))
    # Writers of a while ago did not say it.
    del footer.chunks(0)[1].meta[15]
    codec, rules = prepared("a.parquet", *PLAIN, subject=SUBJECT)
    result, counts = rewritten(codec, raw[: footer.start] + footer_bytes(footer), rules)
    told = metadata_of(result).row_group(0).column(1)
    assert counts.to_mask == 1
    assert told.bloom_filter_length and told.bloom_filter_offset
    length = told.bloom_filter_length
    assert result[told.bloom_filter_offset :][:length] in raw
    assert pq.read_table(io.BytesIO(result)).column("email").to_pylist() == [MASK, BOB]


@pytest.mark.parametrize("rule", [None, "delete"])
def test_a_column_that_stands_in_another_file_is_an_error(rule: str | None) -> None:
    raw = file_of(table_of([(TARGET, ANN, 1)]))
    footer = footer_of(io.BytesIO(raw))
    tree = footer.chunks(0)[0].tree
    named = Tree({1: (TType.STRING, b"other.parquet"), **tree})
    footer.groups[0].elements(1)[0] = named
    ways = {
        None: prepared("a.parquet", *PLAIN, subject=SUBJECT),
        "delete": prepared("a.parquet", rule="delete"),
    }
    codec, rules = ways[rule]
    for work in (
        lambda broken: codec.count(io.BytesIO(broken), rules),
        lambda broken: codec.rewrite(io.BytesIO(broken), io.BytesIO(), rules),
    ):
        with pytest.raises(UnreadableRows, match="columns of it stand in other files"):
            work(raw[: footer.start] + footer_bytes(footer))


def moved(raw: bytes, field: int, to: int) -> bytes:
    """The file with another number in the metadata of its last column."""
    footer = footer_of(io.BytesIO(raw))
    footer.chunks(0)[-1].meta.put(field, to)
    return raw[: footer.start] + footer_bytes(footer)


@pytest.mark.parametrize(("field", "to"), [(9, 1), (9, 10**9), (9, -5), (7, 10**9), (7, -(10**6))])
def test_a_column_that_is_said_to_be_where_none_can_be_is_an_error_that_shows_no_value(
    field: int, to: int
) -> None:
    raw = file_of(pa.table({"id": [TARGET], "email": [ANN], "label": [1]}), use_dictionary=False)
    codec, rules = prepared("a.parquet")
    for work in (
        lambda broken: codec.count(io.BytesIO(broken), rules),
        lambda broken: codec.rewrite(io.BytesIO(broken), io.BytesIO(), rules),
    ):
        with pytest.raises(UnreadableRows) as flaw:
            work(moved(raw, field, to))
        assert flaw.value.kind is Flaw.FORMAT and ANN not in str(flaw.value)


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=60))
@example(raw=b"\x19\xff\xff\xff\xff\x0f")
def test_what_is_no_tree_is_an_error_and_what_is_one_is_written_as_a_tree_that_reads_the_same(
    raw: bytes,
) -> None:
    try:
        tree = read_tree(raw)
    except UnreadableRows:
        return
    assert read_tree(tree_bytes(tree)) == tree or "nan" in repr(tree)


def test_a_tree_without_end_is_an_error() -> None:
    with pytest.raises(UnreadableRows, match="broken"):
        read_tree(b"\x1c" * 5_000)


def test_what_a_writer_says_of_itself_is_written_by_the_same_bytes() -> None:
    raw = file_of(table_of([(TARGET, ANN, 1)] * 9), write_page_index=True, row_group_size=2)
    footer = footer_of(io.BytesIO(raw))
    assert footer_bytes(footer) == raw[footer.start :]
