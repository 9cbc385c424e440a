"""A file of labels: read as it was written, or refused with the line and what was expected."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.world.labels import LONGEST, LabelsError, collect_labels, read_labels

FIELDS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40).filter(str.strip)

MALFORMED = {
    "no tabs": (b"w u l\n", "line 1: 1 field"),
    "two fields": (b"w\tu\tl\nw\tu\n", "line 2: 2 fields"),
    "four fields": (b"w\tu\tl\tmore\n", "line 1: 4 fields"),
    "an empty line": (b"w\tu\tl\n\nw\tu\tl\n", "line 2: the line is empty"),
    "a blank worker": (b" \tu\tl\n", "line 1: the worker is blank"),
    "no unit": (b"w\t\tl\n", "line 1: the unit is blank"),
    "a blank label": (b"w\tu\t \n", "line 1: the label is blank"),
    "a NUL": (b"w\tu\x00\tl\n", "line 1: the unit holds a control character"),
    "Latin-1": (b"w\tu\tl\nw\tu\tna\xefve\n", "line 2: byte 7 is not UTF-8"),
    "too long": (b"w\t" + b"u" * (LONGEST + 1) + b"\tl\n", f"line 1: the unit has {LONGEST + 1} characters"),
    "nothing": (b"", "the file is empty"),
}


@given(st.lists(st.tuples(FIELDS, FIELDS, FIELDS), min_size=1, max_size=20), st.sampled_from(["\n", "\r\n"]))
def test_labels_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str, str]], ending: str
) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.tsv"
    path.write_bytes(ending.join("\t".join(line) for line in lines).encode())
    assert [(each.worker, each.unit, each.label) for each in read_labels(path)] == lines
    assert [each.line for each in read_labels(path)] == list(range(1, len(lines) + 1))
    collected = collect_labels(path)
    assert [collected.workers[place] for place in collected.worker_of] == [line[0] for line in lines]


@pytest.mark.parametrize(("content", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_labels_file_is_refused_with_its_line_and_what_was_expected(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "labels.tsv"
    path.write_bytes(content)
    with pytest.raises(LabelsError, match=re.escape(message)):
        collect_labels(path)


def test_a_labels_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"absent\.tsv: cannot be read \(No such file or directory\)"):
        collect_labels(tmp_path / "absent.tsv")


def test_a_byte_order_mark_is_not_part_of_the_first_worker(tmp_path: Path) -> None:
    path = tmp_path / "labels.tsv"
    path.write_bytes(b"\xef\xbb\xbfw\tu\tl\n")
    assert [each.worker for each in read_labels(path)] == ["w"]
