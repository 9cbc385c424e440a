"""The rules: what each does to a value, when a value is in its masked form, and which store can do which.

Add here: a rule, with its `apply` and `is_masked`, and the stores that can do it. The SQL of the same rules stands
in `dbt_project/macros/rules/`, one macro per file and engine.
Keep out: where personal data lies (the inventory), and how a store is reached (`stores/`).
"""

import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

MASK = "DELETED_USER"
ASCII_BLANKS = " \t\n\r\x0b\x0c"
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_IPV4_KEPT_BITS = 24
_IPV6_KEPT_BITS = 48
HASH_DIGITS = 32
_HASHED = re.compile(rf"{MASK}-[0-9a-f]{{{HASH_DIGITS}}}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Rule(StrEnum):
    """What happens to a field, or with `DELETE` to a whole record."""

    CONSTANT = "constant"
    UNIQUE = "unique"
    CLEAR = "clear"
    HASH = "hash"
    TRUNCATE_IP = "truncate_ip"
    COARSEN_DATE = "coarsen_date"
    SCRUB_TEXT = "scrub_text"
    KEEP = "keep"
    DELETE = "delete"


# A store refuses a rule that is not listed for it when the inventory is read, long before anything is changed.
_EVERY_RULE = frozenset(Rule)
CAPABILITIES: Mapping[str, frozenset[Rule]] = {
    "postgres": _EVERY_RULE,
    "clickhouse": _EVERY_RULE,
    "elasticsearch": _EVERY_RULE,
    # Of objects as a whole delete alone; of rows within them all.
    "s3": _EVERY_RULE,
    "redis": _EVERY_RULE,
}
# What these write depends on whose the record is.
NEEDS_SUBJECT = frozenset({Rule.UNIQUE, Rule.HASH, Rule.SCRUB_TEXT})


def normalise_email(email: str) -> str:
    """The form in which emails are compared: ASCII blanks trimmed, ASCII letters lowered, all else as it is."""
    return email.strip(ASCII_BLANKS).translate(_ASCII_LOWER)


def is_mask(email: str) -> bool:
    """Whether a subject's email is already a mask, in the form of `constant` or of `unique`."""
    return email == MASK or email.startswith(f"{MASK}-")


@dataclass(frozen=True, kw_only=True, repr=False)
class Person:
    """What a rule may need to know of the subject: the id for `unique`, the needles for `scrub_text`, the salt for
    `hash` (empty once the batch has expired: no value can be hashed as before then).
    """

    contributor_id: str
    needles: tuple[str, ...] = ()
    salt: str = ""


def scrub_pattern(needles: Iterable[str]) -> re.Pattern[str] | None:
    """Whole tokens, any case, longest first; None where there is nothing to look for.

    A token ends where a letter, digit or underscore does, so `ann@example.com` is not found in
    `joann@example.com`.
    """
    ordered = sorted({needle for needle in needles if needle}, key=lambda needle: (-len(needle), needle))
    if not ordered:
        return None
    alternatives = "|".join(re.escape(needle) for needle in ordered)
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE)


# Letters that Python's patterns take for the same in any case, and RE2's do not.
_ALIKE = {letter: f"[{letters}]" for letters in ("iI\u0131\u0130",) for letter in letters}


def scrub_pattern_re2(needles: Iterable[str]) -> str:
    """The same for RE2, which looks neither behind nor ahead: what is before the needle is the first group, what is
    behind it the third. Empty where there is nothing to look for.
    """
    ordered = sorted({needle for needle in needles if needle}, key=lambda needle: (-len(needle), needle))
    if not ordered:
        return ""
    escaped = ("".join(_ALIKE.get(letter) or re.escape(letter) for letter in needle) for needle in ordered)
    return rf"(?i)(^|[^\p{{L}}\p{{N}}_])({'|'.join(escaped)})($|[^\p{{L}}\p{{N}}_])"


def _truncate_ip(value: str) -> str:
    try:
        address = ipaddress.ip_address(value.strip(ASCII_BLANKS))
    except ValueError:
        return MASK
    # An address with a zone (fe80::1%eth0) is one to Python alone.
    if "%" in value:
        return MASK
    if isinstance(address, ipaddress.IPv4Address):
        return str(ipaddress.ip_network((address, _IPV4_KEPT_BITS), strict=False).network_address)
    network = ipaddress.ip_network((address, _IPV6_KEPT_BITS), strict=False)
    return str(network.network_address)


def _coarsen_date(value: str) -> str:
    # Python reads more as a date than others do: weeks, and dates without hyphens.
    if not _DATE.fullmatch(value):
        return MASK
    try:
        return date.fromisoformat(value).replace(month=1, day=1).isoformat()
    except ValueError:
        return MASK


def _hash(value: str, person: Person) -> str:
    """A token for the value, the same for equal values of one person, and of no use to anybody without the salt."""
    if value == MASK or _HASHED.fullmatch(value):
        return value
    if not person.salt:
        return MASK
    digest = hashlib.sha256((person.salt + value).encode()).hexdigest()
    return f"{MASK}-{digest[:HASH_DIGITS]}"


def _scrub(value: str, person: Person) -> str:
    pattern = scrub_pattern(person.needles)
    return pattern.sub(MASK, value) if pattern else value


_APPLY: Mapping[Rule, Callable[[str, Person], str | None]] = {
    Rule.CONSTANT: lambda value, person: MASK,
    Rule.UNIQUE: lambda value, person: f"{MASK}-{person.contributor_id}",
    Rule.CLEAR: lambda value, person: None,
    Rule.HASH: _hash,
    Rule.TRUNCATE_IP: lambda value, person: value if value == MASK else _truncate_ip(value),
    Rule.COARSEN_DATE: lambda value, person: _coarsen_date(value),
    Rule.SCRUB_TEXT: _scrub,
    Rule.KEEP: lambda value, person: value,
}


def apply(rule: Rule, value: str | None, person: Person) -> str | None:
    """The value after its rule. NULL stays NULL; applying a rule twice changes nothing.

    Raises KeyError for `delete`, which is a rule for records and has no value.
    """
    return None if value is None else _APPLY[rule](value, person)


def is_masked(rule: Rule, value: str | None, person: Person) -> bool:
    """Whether a value is in the masked form of its rule: exactly when the rule would leave it as it is."""
    return apply(rule, value, person) == value
