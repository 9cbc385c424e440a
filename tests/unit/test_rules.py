"""The rules as Python has them: masked stays masked, NULL stays NULL, and only whole tokens are scrubbed."""

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from erasure.rules import (
    ASCII_BLANKS,
    CAPABILITIES,
    MASK,
    Person,
    Rule,
    apply,
    is_mask,
    is_masked,
    normalise_email,
    scrub_pattern,
)

PERSON = Person(
    contributor_id="5a0c2c52-9f4e-4c3c-8f0e-0d6a2f3b1c11",
    needles=("ann@example.com", "Ann Quostovan", "+999000000001"),
)
FIELD_RULES = [rule for rule in Rule if rule is not Rule.DELETE]
values = st.one_of(
    st.text(max_size=40),
    st.ip_addresses().map(str),
    st.text("0123456789abcdef.:/% []", max_size=20),
    st.dates().map(str),
    st.datetimes().map(str),
    st.from_regex(r"\d{4}-?(\d\d-?\d\d|W\d\d-?\d)", fullmatch=True),
    st.text("aAnN @.+-_Q9\n\u0130\u017f", max_size=20),
    st.sampled_from([MASK, f"{MASK}-x", "Write to ann@example.com, ANN QUOSTOVAN!", ""]),
)


@pytest.mark.parametrize("rule", FIELD_RULES)
def test_null_stays_null_and_counts_as_masked(rule: Rule) -> None:
    assert apply(rule, None, PERSON) is None
    assert is_masked(rule, None, PERSON)


@pytest.mark.parametrize("rule", FIELD_RULES)
@given(value=values)
def test_applying_a_rule_twice_changes_nothing_more(rule: Rule, value: str) -> None:
    once = apply(rule, value, PERSON)
    assert apply(rule, once, PERSON) == once
    assert is_masked(rule, once, PERSON)


@pytest.mark.parametrize("rule", FIELD_RULES)
@given(value=values)
def test_a_value_is_masked_exactly_when_its_rule_would_leave_it(rule: Rule, value: str) -> None:
    assert is_masked(rule, value, PERSON) == (apply(rule, value, PERSON) == value)


# Without the mask in them, which no email or name of the world has: `stg_needles` leaves such ones out.
needles = st.lists(st.text("aAbB .@+-_1", min_size=1, max_size=5).map(str.strip), max_size=4)


@given(value=st.text("aAbB .@+-_1D", max_size=20) | values, found=needles)
@example(value="a b c", found=["a b", "b c"])
@example(value="+1+1 +1", found=["+1", "1"])
def test_text_is_scrubbed_once_and_for_all_whatever_the_needles(value: str, found: list[str]) -> None:
    person = Person(contributor_id="x", needles=tuple(found))
    once = apply(Rule.SCRUB_TEXT, value, person)
    assert once is not None
    assert apply(Rule.SCRUB_TEXT, once, person) == once
    pattern = scrub_pattern(found)
    assert pattern is None or pattern.search(once) is None
    assert is_masked(Rule.SCRUB_TEXT, value, person) is (once == value)


FORMS = {
    Rule.CONSTANT: re.escape(MASK),
    Rule.UNIQUE: re.escape(f"{MASK}-{PERSON.contributor_id}"),
    Rule.TRUNCATE_IP: rf"{MASK}|\d+\.\d+\.\d+\.0|[0-9a-f:]*::",
    Rule.COARSEN_DATE: rf"{MASK}|\d{{4}}-01-01",
}


@pytest.mark.parametrize("rule", FORMS)
@given(value=values)
def test_every_masked_form_is_one_that_can_be_told_by_its_looks(rule: Rule, value: str) -> None:
    masked = apply(rule, value, PERSON)
    assert masked is not None
    assert re.fullmatch(FORMS[rule], masked)


@given(value=values)
def test_a_person_is_gone_after_every_rule_but_keep(value: str) -> None:
    assert apply(Rule.CONSTANT, value, PERSON) == MASK
    assert apply(Rule.UNIQUE, value, PERSON) == f"{MASK}-{PERSON.contributor_id}"
    assert apply(Rule.CLEAR, value, PERSON) is None
    assert apply(Rule.KEEP, value, PERSON) == value


@given(email=st.emails(), blanks=st.text(ASCII_BLANKS, max_size=3))
def test_emails_are_compared_trimmed_and_with_ascii_letters_lowered(email: str, blanks: str) -> None:
    assert normalise_email(f"{blanks}{email.upper()}{blanks}") == normalise_email(email.upper())
    swapped = "".join(c.swapcase() if c in string.ascii_letters else c for c in email)
    assert normalise_email(swapped) == normalise_email(email)


def test_other_letters_are_compared_exactly() -> None:
    assert normalise_email("ÄNN@example.com") == "Änn@example.com"
    assert normalise_email("\u00a0ann@example.com") == "\u00a0ann@example.com"


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("I am Ann Quostovan.", f"I am {MASK}."),
        ("ann quostovan <ANN@EXAMPLE.COM>", f"{MASK} <{MASK}>"),
        ("call +999000000001!", f"call {MASK}!"),
        ("joann@example.com is somebody else", "joann@example.com is somebody else"),
        ("+9990000000012 is another number", "+9990000000012 is another number"),
        ("nothing of hers", "nothing of hers"),
    ],
)
def test_free_text_loses_whole_tokens_of_its_own_subject_alone(text: str, scrubbed: str) -> None:
    assert apply(Rule.SCRUB_TEXT, text, PERSON) == scrubbed


def test_the_longest_needle_wins_and_no_needle_is_no_pattern() -> None:
    person = Person(contributor_id="x", needles=("Ann", "Ann Quostovan"))
    assert apply(Rule.SCRUB_TEXT, "Ann Quostovan", person) == MASK
    assert scrub_pattern(["", ""]) is None


@pytest.mark.parametrize(
    ("value", "truncated"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("2001:db8:aa:bb::1", "2001:db8:aa::"),
        (" 203.0.113.77 ", "203.0.113.0"),
        ("203.0.113.0/24", MASK),
        ("somewhere", MASK),
    ],
)
def test_an_address_keeps_its_network_and_what_is_none_becomes_the_mask(value: str, truncated: str) -> None:
    assert apply(Rule.TRUNCATE_IP, value, PERSON) == truncated


def test_a_date_keeps_its_year() -> None:
    assert apply(Rule.COARSEN_DATE, "1987-06-05", PERSON) == "1987-01-01"


def test_both_forms_of_a_masked_email_are_known_and_no_other() -> None:
    assert is_mask(MASK) and is_mask(f"{MASK}-5a0c")
    assert not is_mask("deleted_user") and not is_mask(f"{MASK}@example.com")


def test_every_store_can_do_something_and_nobody_can_do_what_is_no_rule() -> None:
    assert all(rules and rules <= set(Rule) for rules in CAPABILITIES.values())
