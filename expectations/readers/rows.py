"""Judges rows inside objects of S3, with reading code of its own: Python's csv and json, and Arrow's rows.

None of it is shared with what masks (`erasure/stores/s3/rows/`): a mistake there is not to be made again here.
Holds: `judge_rows`.
Add here: another format that the inventory can name.
Keep out: S3 and its client (`s3.py`), and rules.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, BinaryIO

from erasure.errors import StoreRefused, safe_reason
from erasure.inventory import Field, InventoryObject, Rows
from erasure.rules import Rule, is_mask
from expectations.readers.base import RECORD, Tally, VerifiedBatch
from expectations.readers.free_text import TextJudge

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_LARGEST_CELL = 2**31 - 1
_PIECE = 1024 * 1024
_ROWS_AT_ONCE = 2_000
_BLANKS = " \t\r\n"
Row = Mapping[str, Any]


def judge_rows(
    stream: BinaryIO, key: str, item: InventoryObject, batch: VerifiedBatch, tallies: Mapping[str, Tally]
) -> int:
    """Adds one object's values to the tallies; returns how many records of targets it holds.

    stream: seekable. tallies: label of a ruled field -> its tally; where rows go as a whole, `RECORD` -> theirs.
    Raises StoreRefused where the object can't be read to its end.
    """
    import pyarrow as pa

    judge = _Judge(item, batch, tallies)
    try:
        return sum(judge.records_of(row) for row in _rows(stream, key, item.rows or Rows()))
    except (csv.Error, ValueError, OSError, EOFError, zlib.error, RecursionError, pa.ArrowException) as error:
        raise StoreRefused(
            store=item.store,
            object_name=item.name,
            what=f"an object could not be read to its end ({safe_reason(error)})",
            remedy="check its format in the inventory file s3.yml, and whether it is whole",
        ) from None


class _Judge:
    def __init__(self, item: InventoryObject, batch: VerifiedBatch, tallies: Mapping[str, Tally]) -> None:
        self._item = item
        self._batch = batch
        self._tallies = tallies
        self._texts = TextJudge(batch)

    def records_of(self, row: Row) -> int:
        if self._item.rule is Rule.DELETE:
            owner, email = self._subject(row)
            # A row with a masked email is one that a rule has masked, which this is not.
            mine = self._batch.holds(owner, email) and not (
                email is not None and is_mask(email) and owner is None
            )
            if owner is not None and not self._batch.holds(owner, None):
                mine = False
            self._tallies[RECORD].survivors += mine
            return int(mine)
        return int(any([self._field_is_of_target(row, field) for field in self._item.ruled_fields]))

    def _field_is_of_target(self, row: Row, field: Field) -> bool:
        """Judges every value of a field; whether one of them is a target's."""
        mine = False
        for value, owner, email in self._held(row, field):
            if self._batch.holds(owner, email):
                mine = True
                self._add(field, value, owner, email)
        return mine

    def _held(self, row: Row, field: Field) -> Iterator[tuple[Any, str | None, str | None]]:
        if field.owner is None:
            owner, email = self._subject(row)
            yield from ((value, owner, email) for value in _at(row, _steps(row, field.name)))
            return
        depth = field.owner.replace("[]", "[]\0").split("\0")[:-1]
        above = _steps(row, "".join(depth))
        owner_steps = _steps(row, field.owner)[len(above) :]
        for element in _at(row, above):
            found = list(_at(element, _steps(row, field.name)[len(above) :]))
            owner = next((_id(each) for each in _at(element, owner_steps) if each is not None), None)
            named = [str(value) for value in found if value is not None]
            # Any of an element's values may be the email that says whose it is.
            email = next((each for each in named if self._batch.holds(None, each)), None)
            yield from ((value, owner, email) for value in found)

    def _subject(self, row: Row) -> tuple[str | None, str | None]:
        found = []
        for name in (self._item.subject.contributor_id, self._item.subject.email):
            values = [each for each in _at(row, _steps(row, name)) if each is not None] if name else []
            found.append(values[0] if values else None)
        return _id(found[0]), None if found[1] is None else str(_plain(found[1]))

    def _add(self, field: Field, value: Any, owner: str | None, email: str | None) -> None:
        tally = self._tallies[field.label]
        plain = _plain(value)
        if plain is None:
            tally.add(field.rule, None, owner)
        elif field.rule is Rule.SCRUB_TEXT:
            free = self._texts.is_masked(str(plain), owner, email)
            tally.masked += free is True
            tally.survivors += free is False
        elif field.rule is Rule.UNIQUE and owner is None:
            tally.masked += is_mask(str(plain))
            tally.survivors += not is_mask(str(plain))
        elif field.rule is Rule.COARSEN_DATE and isinstance(value, date):
            begins = value == type(value)(
                value.year, 1, 1, **({"tzinfo": value.tzinfo} if isinstance(value, datetime) else {})
            )
            tally.masked += begins
            tally.survivors += not begins
        else:
            tally.add(field.rule, str(plain), owner)


def _id(value: Any) -> str | None:
    """An id as the target set writes it: no blanks, and no fraction that a table with gaps has given a number."""
    text = "" if value is None else str(_plain(value)).strip()
    return text.removesuffix(".0") or None


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _steps(row: Row, path: str) -> Sequence[str]:
    plain = path.replace("[]", "")
    # A name of a column may have dots.
    return [plain] if plain in row else [step for step in plain.split(".") if step]


def _at(node: Any, steps: Sequence[str]) -> Iterator[Any]:
    """Everything at a path, through any list on the way."""
    if isinstance(node, list):
        for each in node:
            yield from _at(each, steps)
    elif not steps:
        yield node
    elif isinstance(node, Mapping) and steps[0] in node:
        yield from _at(node[steps[0]], steps[1:])


def _rows(stream: BinaryIO, key: str, rows: Rows) -> Iterator[Row]:
    told, _ = rows.format_of(key)
    if told == "parquet":
        yield from _of_parquet(stream)
        return
    file = _unpacked(stream)
    if told in ("csv", "tsv"):
        yield from _of_table(file, "\t" if told == "tsv" else rows.delimiter, rows.encoding)
    elif told == "jsonl":
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n")
        yield from (json.loads(line) for line in text if line.strip(_BLANKS))
    elif told == "json":
        yield from _of_json(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
    else:
        raise ValueError


def _unpacked(stream: BinaryIO) -> Any:
    import pyarrow as pa

    start = stream.read(4)
    stream.seek(0)
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=stream, mode="rb")
    return pa.CompressedInputStream(stream, "zstd") if start == _ZSTD else stream


def _of_table(file: Any, delimiter: str, encoding: str) -> Iterator[Row]:
    csv.field_size_limit(_LARGEST_CELL)
    text = io.TextIOWrapper(file, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    header = next(reader, [])
    for cells in filter(None, reader):
        yield {name: cell or None for name, cell in zip(header, cells, strict=True)}


def _of_json(text: Any) -> Iterator[Row]:
    """Objects in an array or one after the other, without holding all of them."""
    decoder, held, ended = json.JSONDecoder(), "", False
    while True:
        held = held.lstrip(_BLANKS + "[],")
        try:
            row, end = decoder.raw_decode(held)
        except ValueError:
            if ended and held:
                raise
            if ended:
                return
            piece = text.read(max(_PIECE, len(held)))
            held, ended = held + piece, not piece
            continue
        held = held[end:]
        yield row


def _of_parquet(stream: BinaryIO) -> Iterator[Row]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(stream).iter_batches(batch_size=_ROWS_AT_ONCE):
        yield from batch.to_pylist()
