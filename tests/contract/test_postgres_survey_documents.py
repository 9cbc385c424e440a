"""What stands within JSON and no key of the inventory reaches is told at planning, without naming any of it.

Holds: keys nobody has ruled, and arrays that a path would have to lead through.
Add here: another form of JSON that a key does not reach.
Keep out: types of columns (`test_postgres_survey_columns.py`).
"""

from dataclasses import replace

import pytest

from erasure.inventory import Field
from erasure.rules import Rule
from erasure.stores.base import Survey
from tests.contract.postgres_survey_support import FILE, NAMES, Case, Ground, Names

SECRET = "ann.within@example.com"
KEYS = (("contact", "email"), ("contact", "phone"), ("theme",))
CASES = {
    '{"contact": {"email": "a", "phone": null}, "theme": 1}': "",
    '{"contact": "a text, which is no object"}': "",
    "{}": "",
    "null": "",
    f'{{"{SECRET}": 1}}': "has 1 keys that are not in the inventory",
    f'{{"contact": {{"{SECRET}": 1, "fax": 2}}}}': "has 2 keys beneath contact that are not in the inventory",
    f'{{"contact": [{{"email": "{SECRET}"}}]}}': "holds in 1 rows beneath contact an array",
    f'["{SECRET}"]': "holds in 1 rows no object",
    f'"{SECRET}"': "holds in 1 rows no object",
}


def surveyed(ground: Ground, names: Names, kind: str, value: str) -> Survey:
    ground.make(names, Case(table=f"{{id}} uuid primary key, {{v}} {kind}"))
    ground.raw.execute(
        names.sql("insert into {t} values (gen_random_uuid(), %s), (gen_random_uuid(), null)")
        .replace("eMail %", "eMail %%")
        .encode(),
        (value,),
    )
    item = ground.item(names, {})
    ruled = tuple(
        Field(name=names.value, path=path, rule=Rule.KEEP if path == ("theme",) else Rule.CONSTANT)
        for path in KEYS
    )
    return ground.store(replace(item, fields=ruled)).survey()


@pytest.mark.parametrize("names", NAMES, ids=["plain", "quoted"])
@pytest.mark.parametrize("kind", ["json", "jsonb"])
@pytest.mark.parametrize("value", CASES)
def test_what_no_key_reaches_is_told_and_not_named(
    survey_ground: Ground, names: Names, kind: str, value: str
) -> None:
    said, expected = surveyed(survey_ground, names, kind, value), CASES[value]
    assert len(said.problems) == bool(expected), said.problems
    for sentence in said.problems:
        assert expected in sentence
        assert sentence.startswith(f"postgres: column {names.schema}.{names.table}.{names.value} ")
        assert FILE in sentence
        assert SECRET not in sentence
