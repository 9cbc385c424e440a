"""Pieces of ClickHouse SQL whose shape is known, for the tests of the gateway's parsers.

Holds hypothesis strategies of quoted pieces, comments and gaps, of whole SELECTs made of them, and of text that is
likely to confuse a scanner.
Add here: a way in which SQL hides a character. Keep out: assertions.
"""

from __future__ import annotations

from hypothesis import strategies as st

from sandbox.clickhouse.sql import identifier, quoted

# What a scanner could take for something else, in and out of its place.
TRICKY = [
    *(
        "'",
        '"',
        "`",
        "\\",
        "''",
        "\\'",
        "--",
        "//",
        "# ",
        "#!",
        "#",
        "/*",
        "*/",
        "*",
        "/",
        "-",
        "$",
        "$$",
        "$a$",
    ),
    *(
        ";",
        "(",
        ")",
        ",",
        ".",
        "\n",
        "\r\n",
        "\t",
        " ",
        "\0",
        "‘",
        "’",
        "“",
        "”",
        "\u00a0",
        "\u3000",
        "\ufeff",
        "é",
    ),
    *("a", "1", "1a", "e5", "_", "SELECT", "INSERT", "INTO", "VALUES", "FORMAT", "CSV", "SETTINGS", "FROM"),
]
tricky_text = st.lists(st.sampled_from(TRICKY), max_size=30).map("".join)
texts = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), tricky_text)


def _without(*marks: str) -> st.SearchStrategy[str]:
    """Texts that do not hold any of `marks`."""
    return texts.filter(lambda text: not any(mark in text for mark in marks))


string_literals = texts.map(quoted)
quoted_pieces = st.one_of(
    string_literals,
    texts.filter(bool).map(identifier),
    texts.filter(bool).map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'),
    texts.map(lambda text: "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"),
    _without("’").map(lambda text: f"‘{text}’"),
    st.tuples(st.sampled_from(["", "a", "tag_1"]), texts)
    .filter(lambda parts: f"${parts[0]}$" not in parts[1] + "$" and not parts[1].endswith("$"))
    .map(lambda parts: f"${parts[0]}${parts[1]}${parts[0]}$"),
)
line_comments = st.tuples(st.sampled_from(["-- ", "--", "//", "# ", "#!"]), _without("\n")).map(
    lambda parts: f"{parts[0]}{parts[1]}\n"
)
block_comments = st.recursive(
    _without("/*", "*/").map(lambda text: f"/* {text} */"),
    lambda inner: st.tuples(inner, inner).map(lambda parts: f"/* {parts[0]} ; {parts[1]} */"),
    max_leaves=3,
)
gaps = st.lists(
    st.one_of(st.sampled_from([" ", "\n", "\t", "\r\n", "\u00a0", "\u3000"]), line_comments, block_comments),
    max_size=3,
).map(lambda parts: " " + " ".join(parts) + " ")
# Behind a semicolon these change nothing.
blanks = st.lists(st.one_of(gaps, st.just(";")), max_size=4).map("".join)

identifiers = st.one_of(
    st.sampled_from(["t", "db.t", "values", "format", "`a b`.t"]),
    texts.filter(bool).map(identifier),
)


@st.composite
def selects(draw: st.DrawFn) -> str:
    """A SELECT of quoted pieces and small expressions, with anything between them."""
    expressions = st.one_of(
        quoted_pieces, st.sampled_from(["1", "(2, 3)", "x", "1e5", "a$b$", "f(')')", "-1"])
    )
    items = draw(st.lists(expressions, min_size=1, max_size=5))
    listed = ",".join(draw(gaps) + item + draw(gaps) for item in items)
    return f"{draw(gaps)}SELECT{listed}"


@st.composite
def rows(draw: st.DrawFn) -> str:
    """The rows of a VALUES."""
    values = st.one_of(string_literals, st.sampled_from(["1", "-2.5", "NULL", "concat('a', ';')"]))
    listed = draw(st.lists(st.lists(values, min_size=1, max_size=3), min_size=1, max_size=3))
    return ",\n".join(f"({', '.join(row)})" for row in listed)
