"""A file of real judgments: worker, unit and label, a judgment a line.

Holds: reading such a file and refusing what it cannot be.
Add here: another check of a line; each needs a row in the test's table of malformed lines.
Keep out: what becomes of a judgment (see generate.py).
"""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

EXPECTED = "expected worker, unit and label separated by tabs"
LONGEST = 2_000  # characters of a field; a keyword of the search engines ends at 32,766 bytes
_FIELDS = ("worker", "unit", "label")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # Postgres takes no NUL; none of the others mean anything here


class LabelsError(ValueError):
    """The file cannot be read as labels. Says where and what was expected, never what it found."""


@dataclass(frozen=True, kw_only=True)
class LabelLine:
    """One judgment as the file has it."""

    line: int
    worker: str
    unit: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A whole file, its texts kept once; place n of the arrays is line n + 1."""

    workers: tuple[str, ...]
    units: tuple[str, ...]
    label_texts: tuple[str, ...]
    worker_of: "array[int]"
    unit_of: "array[int]"
    label_of: "array[int]"


def read_labels(path: Path) -> Iterator[LabelLine]:
    """The lines of the file, one at a time; raises LabelsError at the first one that is wrong."""
    line = 0
    try:
        with path.open("rb") as file:
            for line, raw in enumerate(file, start=1):
                yield _parse(path, line, raw)
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise LabelsError(f"{path}: {reason}; give the path of a labels file") from None
    if line == 0:
        raise LabelsError(f"{path}: the file is empty; {EXPECTED} on each line")


def collect_labels(path: Path) -> Labels:
    """The whole file, checked to its end, so that nothing is loaded from a file that is half right."""
    workers: dict[str, int] = {}
    units: dict[str, int] = {}
    texts: dict[str, int] = {}
    worker_of, unit_of, label_of = array("I"), array("I"), array("I")
    for judged in read_labels(path):
        worker_of.append(workers.setdefault(judged.worker, len(workers)))
        unit_of.append(units.setdefault(judged.unit, len(units)))
        label_of.append(texts.setdefault(judged.label, len(texts)))
    return Labels(
        workers=tuple(workers),
        units=tuple(units),
        label_texts=tuple(texts),
        worker_of=worker_of,
        unit_of=unit_of,
        label_of=label_of,
    )


def _parse(path: Path, line: int, raw: bytes) -> LabelLine:
    where = f"{path}, line {line}"
    try:
        # Spreadsheets open a file with a byte order mark and end lines in their own way.
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise LabelsError(f"{where}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from None
    if not text:
        raise LabelsError(f"{where}: the line is empty; {EXPECTED}")
    fields = text.split("\t")
    if len(fields) != len(_FIELDS):
        raise LabelsError(f"{where}: {_count(len(fields))}; {EXPECTED}")
    for name, value in zip(_FIELDS, fields, strict=True):
        if not value.strip():
            raise LabelsError(f"{where}: the {name} is blank; {EXPECTED}")
        if len(value) > LONGEST:
            raise LabelsError(f"{where}: the {name} has {len(value)} characters; at most {LONGEST} are taken")
        if _CONTROL.search(value):
            raise LabelsError(f"{where}: the {name} holds a control character; {EXPECTED}")
    worker, unit, label = fields
    return LabelLine(line=line, worker=worker, unit=unit, label=label)


def _count(fields: int) -> str:
    return "1 field" if fields == 1 else f"{fields} fields"
