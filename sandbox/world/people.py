"""Made-up people, each derived from a worker key and the seed.

Holds: how a key becomes a name, an email, a phone, an address, a birth date and an IBAN.
Add here: another personal attribute, derived from the person's number where it must be unique.
Keep out: what people do (see contributors.py and tables.py), and anything of a real person.

Every person has a number of their own, and names, emails, phones and IBANs are written from it one
to one and at one length each. So none of them can be part of another one, and a search of the whole
world for a person's name, email or phone finds that person only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sandbox.world.chance import dice, identifier, number

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
_IN_A_GIVEN_NAME = 2
_PLAIN = str.maketrans("áçéëłñøöšüýÇŁŠ", "aceelnoosuyCLS")
_CYRILLIC = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "абцдефгхийклмнопщрстувшжызАБЦДЕФГХИЙКЛМНОПЩРСТУВШЖЫЗ",
)
MOST_PEOPLE = 24**5  # as many names as there are
_DOMAINS = ("example.com", "example.org", "example.net")
_COUNTRIES = ("DE", "FR", "PL", "PT", "KE", "IN", "PH", "BR", "US", "CA", "RS", "TR")
_STREETS = ("Copper Row", "Windmill Bank", "Low Quay", "Heron Walk", "Rue d'Ambre", "Allee 7", "Ås vei")


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who somebody is. Emails of the same person differ in case only from `email`, or are aliases."""

    contributor_id: UUID
    number: int
    full_name: str
    email: str
    phone: str
    address: str
    birth_date: date
    country: str
    iban: str


def numbers(seed: int, keys: Sequence[str]) -> list[int]:
    """A number for each key, by hash, so that a worker is the same person in another file.

    Where two keys meet on a number, the later key takes the next free one.
    """
    if len(keys) > MOST_PEOPLE // 2:
        raise ValueError(f"at most {MOST_PEOPLE // 2} people have names of their own, {len(keys)} asked for")
    taken: set[int] = set()
    found: list[int] = []
    for key in keys:
        candidate = number(seed, f"person/{key}", MOST_PEOPLE)
        while candidate in taken:
            candidate = (candidate + 1) % MOST_PEOPLE
        taken.add(candidate)
        found.append(candidate)
    return found


def person(seed: int, key: str, own_number: int, *, name_number: int | None = None) -> Person:
    """The person of a key; `name_number` gives them the name of somebody else (a namesake)."""
    die = dice(seed, "person", key)
    country = die.choice(_COUNTRIES)
    return Person(
        contributor_id=identifier(seed, "contributor", key),
        number=own_number,
        full_name=full_name(own_number if name_number is None else name_number),
        email=email(own_number),
        phone=phone(own_number),
        address=_address(die.randrange(1, 400), die.choice(_STREETS), die.randrange(6)),
        birth_date=date(1948, 1, 1) + timedelta(days=die.randrange(20_000)),
        country=country,
        iban=iban(country, own_number),
    )


def full_name(own_number: int) -> str:
    """Given and family name; every eleventh is written in Cyrillic, letter for letter."""
    given, family = _words(own_number)
    name = f"{given} {family}"
    return name.translate(_PLAIN).translate(_CYRILLIC) if own_number % 11 == 0 else name


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
    account = f"TEST{own_number * 10 + 7:012d}"
    digits = "".join(str(int(letter, 36)) for letter in f"{account}{country}00")
    return f"{country}{98 - int(digits) % 97:02d}{account}"


def mixed_case(address: str) -> str:
    """The same address as people write it on forms."""
    local, _, domain = address.partition("@")
    return f"{local.title()}@{domain.capitalize()}"


def _words(own_number: int) -> tuple[str, str]:
    parts: list[str] = []
    rest = own_number
    for syllables in _SYLLABLES:
        rest, place = divmod(rest, len(syllables))
        parts.append(syllables[place])
    return "".join(parts[:_IN_A_GIVEN_NAME]), "".join(parts[_IN_A_GIVEN_NAME:])


def _handle(own_number: int) -> tuple[str, str]:
    given, family = (word.translate(_PLAIN).lower() for word in _words(own_number))
    return given, family


def _address(house: int, street: str, form: int) -> str:
    match form:
        case 0:
            return f'{house} "The Kiln", {street}\nBack door'
        case 1:
            return f"{house}, {street}; 2nd floor\t(left)"
        case _:
            return f"{house} {street}"
