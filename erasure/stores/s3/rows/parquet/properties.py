"""How a file was written, as far as Arrow can be told to write so again.

Holds: `kept_properties`, `Properties`.
Add here: another property of a file that can be kept.
Keep out: rows, and whether what Arrow writes is then the same (`anew.py`, `chunks.py`).
"""

from typing import Any

import pyarrow.parquet as pq

# Arguments of Arrow's writer.
Properties = dict[str, Any]
_DICTIONARIES = frozenset({"RLE_DICTIONARY", "PLAIN_DICTIONARY"})
# Encodings that a writer has chosen for a column on purpose.
_CHOSEN = frozenset(
    {"DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"}
)
_VERSIONS = ("2.6", "2.4", "1.0")


def kept_properties(file: pq.ParquetFile, leaves: list[int] | None = None) -> Properties:
    """What to tell the writer of these leaves, all where none are named. Paths are those of the file."""
    # Arrow's schema, where there is one, is among the metadata that are copied.
    kept: Properties = {"store_schema": False}
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    if not groups:
        return kept
    wanted = range(groups[0].num_columns) if leaves is None else leaves
    columns = [[group.column(at) for group in groups] for at in wanted]
    by_path = {chunks[0].path_in_schema: chunks for chunks in columns}
    first = {path: chunks[0] for path, chunks in by_path.items()}
    encodings = {
        path: {each for chunk in chunks for each in chunk.encodings} for path, chunks in by_path.items()
    }
    dictionaries = [path for path, found in encodings.items() if found & _DICTIONARIES]
    chosen = {path: sorted(found & _CHOSEN) for path, found in encodings.items() if path not in dictionaries}
    statistics = [path for path, chunks in by_path.items() if any(chunk.is_stats_set for chunk in chunks)]
    physical = {chunk.physical_type for chunk in first.values()}
    bloomed = [
        path for path, chunks in by_path.items() if any(c.bloom_filter_offset is not None for c in chunks)
    ]
    kept |= {
        "compression": {path: _codec(chunk.compression) for path, chunk in first.items()},
        "use_dictionary": dictionaries or False,
        "write_statistics": statistics or False,
        "write_page_index": any(chunk.has_offset_index for chunks in columns for chunk in chunks),
        "use_deprecated_int96_timestamps": "INT96" in physical,
        "store_decimal_as_integer": _has_integer_decimals(file),
    }
    if any(chosen.values()):
        kept["column_encoding"] = {path: found[0] for path, found in chosen.items() if found}
    if bloomed:
        most = max(group.num_rows for group in groups)
        kept["bloom_filter_options"] = {path: {"ndv": max(most, 1)} for path in bloomed}
    return kept


def tried_properties(file: pq.ParquetFile, kept: Properties) -> list[Properties]:
    """The same in every version of the format, and with every name of a list's elements; the file's own come first."""
    versions = dict.fromkeys((file.metadata.format_version, *_VERSIONS))
    return [
        kept | {"version": version, "use_compliant_nested_type": compliant}
        for version in versions
        if version in _VERSIONS
        for compliant in (True, False)
    ]


def _codec(name: str) -> str:
    return "NONE" if name == "UNCOMPRESSED" else name


def _has_integer_decimals(file: pq.ParquetFile) -> bool:
    columns = (file.schema.column(at) for at in range(len(file.schema)))
    return any(
        each.logical_type.type == "DECIMAL" and each.physical_type in {"INT32", "INT64"} for each in columns
    )
