"""What a file of Parquet says of its bytes: groups, the chunks of their columns, and where each stands.

Numbers of fields are those of parquet.thrift (https://github.com/apache/parquet-format).
Holds: `Footer`, `Chunk`, `footer_of`, `footer_bytes`, `moved_offset_index`.
Add here: another place in a file that something points to: what is copied must be pointed to anew.
Keep out: values, and Arrow.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from erasure.stores.s3.rows.base import Flaw, UnreadableRows
from erasure.stores.s3.rows.parquet.thrift_trees import Tree, read_tree, tree_bytes

MAGIC = b"PAR1"
_TAIL = 8
# FileMetaData
_ROW_GROUPS = 4
# RowGroup
_COLUMNS, _GROUP_BYTES, _SORTING, _GROUP_OFFSET, _GROUP_COMPRESSED = 1, 2, 4, 5, 6
# SortingColumn
_SORTED_BY = 1
# ColumnChunk
_FILE_PATH, _FILE_OFFSET, _META, _CRYPTO = 1, 2, 3, 8
_OFFSET_INDEX, _COLUMN_INDEX = (4, 5), (6, 7)
# ColumnMetaData
_PATH, _UNCOMPRESSED, _COMPRESSED, _PAIRS = 3, 6, 7, 8
_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE = 9, 10, 11
_BLOOM = (14, 15)
# OffsetIndex, PageLocation
_PAGES, _PAGE_OFFSET = 1, 1

Span = tuple[int, int]


class Seekable(Protocol):
    """What a footer is read from."""

    def seek(self, to: int, whence: int = ..., /) -> int: ...
    def read(self, size: int = ..., /) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One column of one group. A span is where something begins and where it ends."""

    tree: Tree

    @property
    def meta(self) -> Tree:
        meta: Tree = self.tree.get_value(_META)
        return meta

    @property
    def pages(self) -> Span:
        """Its pages, a dictionary among them."""
        told = (self.meta.get_value(number, 0) for number in (_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE))
        length = self.meta.get_value(_COMPRESSED)
        # Writers say 0 for what they do not have; a group without rows can have a dictionary alone, or nothing.
        start = min((offset for offset in told if offset), default=0 if length else len(MAGIC))
        return start, start + length

    @property
    def bloom(self) -> Span | None:
        """Its bloom filter. Older writers do not say how long it is: None, as where there is none."""
        return _span(self.meta, *_BLOOM)

    @property
    def has_bloom_of_unknown_length(self) -> bool:
        return self.meta.get_value(_BLOOM[0]) is not None and self.bloom is None

    @property
    def offset_index(self) -> Span | None:
        """Where each of its pages is said to begin."""
        return _span(self.tree, *_OFFSET_INDEX)

    @property
    def column_index(self) -> Span | None:
        """The least and largest value of each page."""
        return _span(self.tree, *_COLUMN_INDEX)

    @property
    def spans(self) -> list[Span]:
        """All that there is of it."""
        found = (self.pages, self.bloom, self.offset_index, self.column_index)
        return [span for span in found if span is not None]

    def move_pages(self, to: int) -> int:
        """They begin there now; returns by how much that is later."""
        start, end = self.pages
        by = to - start
        for number in (_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE):
            if self.meta.get_value(number):
                self.meta.shift(number, by)
        # Nobody is to read it any more. Old writers point to a copy of the metadata, which is not copied.
        if start <= self.tree.get_value(_FILE_OFFSET, 0) < end:
            self.tree.shift(_FILE_OFFSET, by)
        elif _FILE_OFFSET in self.tree:
            self.tree.put(_FILE_OFFSET, 0)
        return by

    def move_bloom(self, to: int) -> None:
        self.meta.put(_BLOOM[0], to)

    def move_offset_index(self, to: int, length: int) -> None:
        self.tree.put(_OFFSET_INDEX[0], to)
        self.tree.put(_OFFSET_INDEX[1], length)

    def move_column_index(self, to: int) -> None:
        self.tree.put(_COLUMN_INDEX[0], to)

    def take_place_of(self, old: "Chunk") -> None:
        """Has the old one's name, and what its writer has said of it."""
        self.meta.put(_PATH, old.meta.get_value(_PATH))
        if _PAIRS in old.meta:
            self.meta[_PAIRS] = old.meta[_PAIRS]
            self.tree.put(_META, Tree(sorted(self.meta.items())))


@dataclass(frozen=True, kw_only=True)
class Footer:
    """All of it; `start` is where it begins."""

    tree: Tree
    start: int

    @property
    def groups(self) -> list[Tree]:
        return self.tree.elements(_ROW_GROUPS)

    def chunks(self, group: int) -> list[Chunk]:
        """The columns of a group."""
        return [Chunk(tree=tree) for tree in self.groups[group].elements(_COLUMNS)]

    def put_chunks(self, group: int, chunks: Sequence[Chunk], ruled: frozenset[int]) -> None:
        """Other chunks in a group; the order of its rows is said no further than to the first of the ruled columns."""
        tree = self.groups[group]
        kind, _ = tree.get_value(_COLUMNS)
        tree.put(_COLUMNS, (kind, [chunk.tree for chunk in chunks]))
        tree.put(_GROUP_BYTES, sum(chunk.meta.get_value(_UNCOMPRESSED) for chunk in chunks))
        if _GROUP_COMPRESSED in tree:
            tree.put(_GROUP_COMPRESSED, sum(chunk.meta.get_value(_COMPRESSED) for chunk in chunks))
        if _GROUP_OFFSET in tree and chunks:
            tree.put(_GROUP_OFFSET, chunks[0].pages[0])
        order = [column.get_value(_SORTED_BY) for column in tree.elements(_SORTING)]
        kept = next((at for at, column in enumerate(order) if column in ruled), len(order))
        if kept < len(order):
            kind, columns = tree.get_value(_SORTING)
            tree.put(_SORTING, (kind, columns[:kept]))
            if not kept:
                del tree[_SORTING]

    @property
    def can_be_moved(self) -> bool:
        """Whether every chunk is readable, and says where all of it is."""
        return all(
            _META in chunk.tree and _CRYPTO not in chunk.tree and not chunk.has_bloom_of_unknown_length
            for chunk in self._all_chunks()
        )

    def require_whole(self) -> None:
        """Raises UnreadableRows where a chunk stands in another file, or is said to be where it cannot be: Arrow would
        read what stands at its place in this one.
        """
        for chunk in self._all_chunks():
            if _FILE_PATH in chunk.tree:
                raise UnreadableRows(Flaw.FORMAT, "columns of it stand in other files")
            spans = chunk.spans if _META in chunk.tree else []
            if any(not len(MAGIC) <= start <= end <= self.start for start, end in spans):
                raise UnreadableRows(Flaw.FORMAT, "a column of it is said to be where no column can be")

    def _all_chunks(self) -> list[Chunk]:
        return [chunk for group in range(len(self.groups)) for chunk in self.chunks(group)]


def footer_of(source: Seekable) -> Footer:
    """Reads it; raises UnreadableRows where there is none."""
    end = source.seek(0, io.SEEK_END)
    source.seek(max(0, end - _TAIL))
    tail = source.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length > end - _TAIL - len(MAGIC):
        raise UnreadableRows(Flaw.FORMAT, "it is no whole Parquet file")
    start = source.seek(end - _TAIL - length)
    return Footer(tree=read_tree(source.read(length)), start=start)


def footer_bytes(footer: Footer) -> bytes:
    """What stands at the end of a file."""
    raw = tree_bytes(footer.tree)
    return raw + len(raw).to_bytes(4, "little") + MAGIC


def moved_offset_index(raw: bytes, by: int) -> bytes:
    """An offset index whose pages begin so much later."""
    tree = read_tree(raw)
    for page in tree.elements(_PAGES):
        page.shift(_PAGE_OFFSET, by)
    return tree_bytes(tree)


def _span(tree: Tree, offset: int, length: int) -> Span | None:
    start, size = tree.get_value(offset), tree.get_value(length)
    return None if not start or size is None else (start, start + size)
