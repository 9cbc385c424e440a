"""What a single column is likely to hold, and the rule that follows: by its name first, by its values second.

A draft errs towards a person's review: `keep` is written only where the name is known to be harmless, the type cannot
hold a name, and no value looks like somebody's. Everything else that is not clearly personal is `REVIEW`, which is no
rule, so that planning refuses it by name.
Add here: a name that people give to a kind of data, in `_NAMES` or `_HARMLESS`.
Keep out: whose a row is (`tables.py`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from erasure.inventory_draft.facts import ColumnFacts, Kind, Shape
from erasure.rules import MASK, Rule

REVIEW = "REVIEW"
_MOST = 0.5


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A rule, or REVIEW, and why; the reason never holds a value. `elements`: the rule is for each of an array."""

    rule: str
    why: str
    elements: bool = False

    @property
    def is_decided(self) -> bool:
        """Whether a person need not look at it before planning."""
        return self.rule != REVIEW


# Words within a column's name -> what that is, and its rule. The first that fits counts.
_NAMES: tuple[tuple[frozenset[str], str, Rule], ...] = (
    (frozenset({"agent", "useragent", "fingerprint", "device", "browser"}), "a device", Rule.CLEAR),
    (
        frozenset(
            {"token", "secret", "password", "passwd", "pwd", "cookie", "session", "otp", "pin", "salt"}
        ),
        "a secret",
        Rule.CLEAR,
    ),
    (frozenset({"email", "emails", "mail", "mails", "mailbox"}), "an email", Rule.CONSTANT),
    (
        frozenset({"ip", "ips", "ipv4", "ipv6", "ipaddress", "ipaddr"}),
        "an address of a network",
        Rule.TRUNCATE_IP,
    ),
    (frozenset({"birth", "birthday", "birthdate", "dob", "born"}), "a date of birth", Rule.COARSEN_DATE),
    (
        frozenset({"phone", "phones", "telephone", "mobile", "cell", "msisdn", "fax", "whatsapp"}),
        "a phone number",
        Rule.CONSTANT,
    ),
    (
        frozenset(
            {"iban", "bic", "swift", "card", "pan", "ssn", "passport", "taxid", "vat", "paypal", "bank"}
        ),
        "a number of an account or a document",
        Rule.CONSTANT,
    ),
    (
        frozenset({"address", "addr", "street", "zip", "zipcode", "postcode", "postal", "city", "town"}),
        "a postal address",
        Rule.CLEAR,
    ),
    (
        frozenset({"latitude", "longitude", "lat", "lon", "lng", "geo", "gps", "location"}),
        "a place",
        Rule.CLEAR,
    ),
    (
        frozenset(
            {
                "fullname",
                "firstname",
                "lastname",
                "surname",
                "forename",
                "middlename",
                "nickname",
                "username",
                "login",
            }
            | {"payee", "payer", "claimant", "holder", "recipient", "sender", "signature", "displayname"}
        ),
        "a name",
        Rule.CONSTANT,
    ),
    (
        frozenset(
            {"comment", "comments", "note", "notes", "message", "body", "statement", "bio", "about", "remark"}
            | {"remarks", "feedback", "complaint", "answer_text", "subject"}
        ),
        "free text",
        Rule.SCRUB_TEXT,
    ),
)
# `name` says a person's only in such company; alone it may be that of a project.
_OF_A_PERSON = frozenset({"full", "first", "last", "given", "family", "middle", "nick", "user", "display", "real"}) | {
    "payee", "payer", "contributor", "worker", "person", "customer", "member", "holder", "maiden", "legal"
}  # fmt: skip
# What nobody's data is in, as long as the type cannot hold any and no value looks like it.
_HARMLESS_MOMENTS = frozenset(
    {"created", "updated", "modified", "inserted", "changed", "deleted", "started", "ended"}
)
_HARMLESS_FLAGS = frozenset({"active", "deleted", "enabled", "disabled", "archived"})
_HARMLESS = frozenset({"status", "currency", "version", "kind", "type", "priority"})
_HARMLESS_NUMBERS = _HARMLESS | {
    "count",
    "number",
    "amount",
    "total",
    "quantity",
    "duration",
    "seconds",
    "ms",
    "size",
}
_REASONS: Mapping[Kind, str] = {
    Kind.MOMENT: "when the record was written",
    Kind.FLAG: "yes or no",
    Kind.CHOICE: "one of a fixed list",
    Kind.NUMBER: "a measure or a count",
    Kind.TEXT: "a state or a unit",
}
_WRITABLE: Mapping[Rule, frozenset[Kind]] = {
    Rule.CONSTANT: frozenset({Kind.TEXT}),
    Rule.SCRUB_TEXT: frozenset({Kind.TEXT}),
    Rule.TRUNCATE_IP: frozenset({Kind.TEXT, Kind.ADDRESS}),
    Rule.COARSEN_DATE: frozenset({Kind.TEXT, Kind.DATE, Kind.MOMENT}),
    Rule.CLEAR: frozenset(Kind),
}


def words(name: str) -> frozenset[str]:
    """The words of a name in small letters, however they are joined, and what neighbours make together."""
    parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)]
    return frozenset(parts) | {first + second for first, second in pairwise(parts)}


def decide(column: ColumnFacts, *, person_is_unique: bool) -> Decision:
    """The rule that a column is drafted with; `person_is_unique`: no two rows of its table are of one person."""
    if column.generated:
        return Decision(
            rule=Rule.KEEP, why="the database makes it of other columns, which have their own rules"
        )
    found = _by_name(column) or _by_values(column)
    if found is None:
        return _harmless(column) or Decision(rule=REVIEW, why=_unknown(column))
    what, rule = found
    if column.kind is Kind.FLAG:
        return Decision(rule=REVIEW, why=f"a flag by its type, {what} by its name")
    return _fitted(column, what, rule, person_is_unique=person_is_unique)


def _by_name(column: ColumnFacts) -> tuple[str, Rule] | None:
    if column.share(Shape.EMAIL) >= _MOST:
        # A recipient or a login is a name to some and an email to others; it finds a person only as the latter.
        return _by_values(column)
    said = words(column.name)
    if "name" in said and said & _OF_A_PERSON:
        return "a name by its name", Rule.CONSTANT
    for known, what, rule in _NAMES:
        if said & known:
            return f"{what} by its name", rule
    return None


def _by_values(column: ColumnFacts) -> tuple[str, Rule] | None:
    if column.kind is Kind.ADDRESS:
        return "an address of a network by its type", Rule.TRUNCATE_IP
    for shape, rule in (
        (Shape.EMAIL, Rule.CONSTANT),
        (Shape.IP, Rule.TRUNCATE_IP),
        (Shape.PHONE, Rule.CONSTANT),
        (Shape.IBAN, Rule.CONSTANT),
    ):
        if column.share(shape) >= _MOST:
            return f"{shape} by {column.share(shape):.0%} of {column.sampled} values", rule
    if column.shapes.get(Shape.HAS_EMAIL) and column.share(Shape.PROSE) > 0:
        return (
            f"prose, with emails in {column.share(Shape.HAS_EMAIL):.0%} of {column.sampled} values",
            Rule.SCRUB_TEXT,
        )
    return None


def _fitted(column: ColumnFacts, what: str, rule: Rule, *, person_is_unique: bool) -> Decision:
    """The rule, or another one of the same kind that the column takes."""
    if rule is Rule.CLEAR and not column.nullable:
        rule = Rule.CONSTANT
    if column.kind is Kind.TEXTS and rule is not Rule.CLEAR and not column.unique and column.length is None:
        return Decision(rule=rule, why=what, elements=True)
    if column.kind not in _WRITABLE[rule]:
        return Decision(rule=REVIEW, why=f"{what}, {column.declared} by its type, which {rule} cannot write")
    if column.unique and rule is Rule.CONSTANT:
        rule = Rule.UNIQUE if person_is_unique else Rule.HASH
    if column.unique and rule in {Rule.SCRUB_TEXT, Rule.TRUNCATE_IP, Rule.COARSEN_DATE}:
        return Decision(rule=REVIEW, why=f"{what}, and unique, which {rule} would not leave it")
    if rule is not Rule.CLEAR and column.length is not None and column.length < _needed(rule):
        return Decision(
            rule=REVIEW, why=f"{what}, {column.declared} by its type: too short for what {rule} writes"
        )
    return Decision(rule=rule, why=what)


def _needed(rule: Rule) -> int:
    return {Rule.UNIQUE: len(MASK) + 37, Rule.HASH: len(MASK) + 33}.get(rule, len(MASK))


def _harmless(column: ColumnFacts) -> Decision | None:
    said = words(column.name)
    if any(_looks_personal(column)):
        return None
    harmless = {
        Kind.MOMENT: bool(said & _HARMLESS_MOMENTS),
        Kind.FLAG: bool(said & _HARMLESS_FLAGS),
        Kind.CHOICE: bool(said & _HARMLESS),
        Kind.NUMBER: bool(said & _HARMLESS_NUMBERS) and "id" not in said,
        # A short code at most; without a sample nobody has looked.
        Kind.TEXT: bool(said & _HARMLESS) and column.sampled > 0 and column.share(Shape.PROSE) == 0,
    }
    if not harmless.get(column.kind):
        return None
    return Decision(rule=Rule.KEEP, why=f"{_REASONS[column.kind]}, by its name and type")


def _looks_personal(column: ColumnFacts) -> Iterator[bool]:
    for shape in (Shape.EMAIL, Shape.HAS_EMAIL, Shape.IP, Shape.PHONE, Shape.IBAN):
        yield column.shapes.get(shape, 0) > 0


def _unknown(column: ColumnFacts) -> str:
    seen = [f"{shape} {column.share(shape):.0%}" for shape in Shape if column.shapes.get(shape)]
    if seen:
        return f"{column.declared}; of {column.sampled} values look like {', '.join(seen)}"
    if column.kind is Kind.JSON:
        return f"{column.declared}; say `keys`, each with a rule, or a rule for all of it"
    if column.kind is Kind.TEXT:
        return f"{column.declared}; {column.sampled} values looked at, none like an email, an address or a number"
    return f"{column.declared}; its name says nothing"
