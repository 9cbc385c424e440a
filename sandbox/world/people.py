"""Made-up people, each derived from a worker key and the seed.

Holds: how a key becomes a name, an email, a phone, an address, a birth date and an IBAN.
Add here: another personal attribute, derived from the person's number where it must be unique.
Keep out: what people do (see contributors.py and tables.py), and anything of a real person.

Every person has a number of their own, and names, emails, phones and IBANs are written from it one
to one and at one length each. So none of them can be part of another one, and a search of the whole
world for a person's name, email or phone finds that person only.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sandbox.world.chance import Die, Permutation, hashed, identifier

# Three letters each, and within a line all different without their accents too. Two make a given
# name, three a family name.
_SYLLABLES = tuple(
    tuple(line.split())
    for line in (
        "Mir Zel Quo Vri Tha Bel Jor Nim Ysa Dru Fen Gál Hev Ilm Kes Lod Orv Pim Rux Sëv Tov Ulm Wex Xan",
        "dar lix nov que thy bra zim gor wen fyr hul jat kov mys pel rud sof tak vox yan zed cil éna ørn",
        "Ost Kru Vel Zyn Bro Dwi Fje Gho Hax Ivo Jyx Kva Łuk Myl Nyr Oqu Pry Rho Šim Tzu Uvo Wyl Yel Çer",
        "vom rix zab lun kad mog tev nus pir dov gaz hyl jek wub fod cyr sab ñez üll xat bem quy yor áth",
        "ske van dov lyn mur tas zik gen hop rel bic fju wod kýn pax jov que nim sut yad cev xol öst rza",
    )
)
_SYLLABLES_EACH = 24
_IN_A_GIVEN_NAME = 2
_PLAIN = str.maketrans("áçéëłñøöšüýÇŁŠ", "aceelnoosuyCLS")
_CYRILLIC = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "абцдефгхийклмнопщрстувшжызАБЦДЕФГХИЙКЛМНОПЩРСТУВШЖЫЗ",
)
_HANDLES = tuple(tuple(each.translate(_PLAIN).lower() for each in line) for line in _SYLLABLES)
MOST_PEOPLE = _SYLLABLES_EACH ** len(_SYLLABLES)  # as many names as there are
_DOMAINS = ("example.com", "example.org", "example.net")
_COUNTRIES = ("DE", "FR", "PL", "PT", "KE", "IN", "PH", "BR", "US", "CA", "RS", "TR")
_COUNTRY_DIGITS = {country: "".join(str(int(letter, 36)) for letter in country) for country in _COUNTRIES}
_TEST_DIGITS = "".join(str(int(letter, 36)) for letter in "TEST")
_STREETS = ("Copper Row", "Windmill Bank", "Low Quay", "Heron Walk", "Rue d'Ambre", "Allee 7", "Ås vei")
_IN_CYRILLIC_PERCENT = 9
_ADDRESS_FORMS = 6
_QUOTED_ADDRESS = 0
_OLDEST = date(1948, 1, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Who somebody is. Emails of the same person differ in case only from `email`, or are aliases."""

    contributor_id: str
    number: int
    full_name: str
    email: str
    address: str
    birth_date: date
    country: str

    @property
    def phone(self) -> str:
        return phone(self.number)

    @property
    def iban(self) -> str:
        return iban(self.country, self.number)


def drawn_numbers(seed: int) -> Callable[[int], int]:
    """Place → number, one to one without a list: two rounds of arithmetic, so that neighbours do not resemble."""
    rounds = [Permutation.drawn(Die(seed, "numbers", each), MOST_PEOPLE) for each in ("first", "second")]
    return lambda place: rounds[1].at(_mirrored(rounds[0].at(place)))


def hashed_numbers(seed: int, keys: Sequence[str]) -> "array[int]":
    """A number for each key, by hash, so that a worker is the same person in another file.

    Where two keys meet on a number, the later key takes the next free one.
    """
    if len(keys) > MOST_PEOPLE // 2:
        raise ValueError(f"at most {MOST_PEOPLE // 2} people have names of their own, {len(keys)} asked for")
    taken = bytearray(MOST_PEOPLE)
    found = array("I")
    for key in keys:
        candidate = hashed(seed, f"person/{key}", MOST_PEOPLE)
        while taken[candidate]:
            candidate = (candidate + 1) % MOST_PEOPLE
        taken[candidate] = 1
        found.append(candidate)
    return found


def person(
    seed: int, key: str, own_number: int, *, name: str | None = None, hard_to_write: bool = False
) -> Person:
    """The person of a key; `name` gives them the name of somebody else (a namesake).

    `hard_to_write` people have a name in Cyrillic and an address with quotes and a line break; others may have.
    """
    die = Die(seed, "person", key)
    country = die.choice(_COUNTRIES)
    in_cyrillic = die.happens(percent=_IN_CYRILLIC_PERCENT)
    form = die.below(_ADDRESS_FORMS)
    house, street = die.between(1, 399), die.choice(_STREETS)
    return Person(
        contributor_id=identifier(seed, "contributor", key),
        number=own_number,
        full_name=name or full_name(own_number, in_cyrillic=in_cyrillic or hard_to_write),
        email=email(own_number),
        address=_address(house, street, _QUOTED_ADDRESS if hard_to_write else form),
        birth_date=_OLDEST + timedelta(days=die.below(20_000)),
        country=country,
    )


def full_name(own_number: int, *, in_cyrillic: bool = False) -> str:
    """Given and family name; where it is in Cyrillic, letter for letter."""
    words = _written(own_number, _SYLLABLES)
    name = f"{''.join(words[:_IN_A_GIVEN_NAME])} {''.join(words[_IN_A_GIVEN_NAME:])}"
    return name.translate(_PLAIN).translate(_CYRILLIC) if in_cyrillic else name


def email(own_number: int) -> str:
    """The address in lower case; the domain does not count for being unique."""
    given, family = _handle(own_number)
    return f"{given}.{family}@{_DOMAINS[own_number % 3]}"


def alias_email(own_number: int) -> str:
    """A further address, as long as the first, of a form that no first address has."""
    given, family = _handle(own_number)
    return f"{family}_{given}@{_DOMAINS[(own_number + 1) % 3]}"


def phone(own_number: int) -> str:
    """E.164 under a country code that nobody has been given."""
    return f"+999{own_number * 735_134_401 % 10**9:09d}"  # odd and no multiple of 5: one to one


def iban(country: str, own_number: int) -> str:
    """Of a bank that does not exist, with right check digits."""
    account = f"{own_number * 10 + 7:012d}"
    check = 98 - int(f"{_TEST_DIGITS}{account}{_COUNTRY_DIGITS[country]}00") % 97
    return f"{country}{check:02d}TEST{account}"


def mixed_case(address: str) -> str:
    """The same address as people write it on forms."""
    local, _, domain = address.partition("@")
    return f"{local.title()}@{domain.capitalize()}"


def _written(own_number: int, syllables: Sequence[Sequence[str]]) -> list[str]:
    words: list[str] = []
    rest = own_number
    for line in syllables:
        rest, place = divmod(rest, _SYLLABLES_EACH)
        words.append(line[place])
    return words


def _handle(own_number: int) -> tuple[str, str]:
    words = _written(own_number, _HANDLES)
    return "".join(words[:_IN_A_GIVEN_NAME]), "".join(words[_IN_A_GIVEN_NAME:])


def _mirrored(own_number: int) -> int:
    """The number whose name has the places of its syllables the other way round."""
    mirrored = 0
    for _ in _SYLLABLES:
        own_number, place = divmod(own_number, _SYLLABLES_EACH)
        mirrored = mirrored * _SYLLABLES_EACH + place
    return mirrored


def _address(house: int, street: str, form: int) -> str:
    match form:
        case 0:
            return f'{house} "The Kiln", {street}\nBack door'
        case 1:
            return f"{house}, {street}; 2nd floor\t(left)"
        case _:
            return f"{house} {street}"
