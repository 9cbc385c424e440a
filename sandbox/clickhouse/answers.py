"""What stands in an answer beside the output of the engine.

Add here: content types, and headers that a server computes. Keep out: writing to the wire.
"""

from __future__ import annotations

import json

from sandbox.clickhouse.engine import Result

_CONTENT_TYPES = {
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "native": "application/octet-stream",
    "rowbinary": "application/octet-stream",
    "parquet": "application/octet-stream",
    "arrow": "application/octet-stream",
    "arrowstream": "application/octet-stream",
}
TEXT = "text/plain; charset=UTF-8"
_TSV = "text/tab-separated-values; charset=UTF-8"


def summary(result: Result) -> str:
    return json.dumps(
        {
            "read_rows": str(result.read_rows),
            "read_bytes": str(result.read_bytes),
            "written_rows": str(result.written_rows),
            "written_bytes": str(result.written_bytes),
            "total_rows_to_read": "0",
            "result_rows": str(result.result_rows),
            "result_bytes": str(len(result.data)),
            "elapsed_ns": str(int(result.seconds * 1e9)),
        }
    )


def trailer_of(text: str, tag: str) -> bytes:
    """How a server since 25.11 ends an output that failed on the way."""
    message = text.encode("utf-8", "replace")
    mark = tag.encode()
    edge = b"\r\n__exception__\r\n"
    return edge + b"%b\r\n%b\n%d %b" % (mark, message, len(message) + 1, mark) + edge


def content_type_of(output_format: str) -> str:
    other = _TSV if output_format.startswith(("tabseparated", "tsv")) else TEXT
    return _CONTENT_TYPES.get(output_format, other)


def one_line(value: str) -> str:
    """A header stays one line of plain letters, whatever a client put into its query id."""
    return "".join(letter for letter in value if letter.isascii() and letter.isprintable())
