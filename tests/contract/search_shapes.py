"""Objects and documents of many shapes, for the tests of the search store.

Holds: `pattern`, an index pattern with fields in short; targets with needles and salts; `judged`, the
verdict on an index.
Add here: what several test modules need to declare.
Keep out: assertions on what the store did.
"""

from erasure.inventory import Field, Inventory, InventoryObject, Subject
from erasure.rules import Rule, normalise_email
from erasure.settings import Settings
from erasure.store_settings import ElasticsearchSettings
from erasure.targets import Needle, TargetSet
from expectations.readers.base import FieldReading, VerifiedBatch
from expectations.readers.search import read_search
from tests.contract.search_support import Ground, Worker


def pattern(
    location: str, *fields: Field, subject: Subject | None = None, rule: Rule | None = None
) -> InventoryObject:
    """An index pattern named `shapes`."""
    return InventoryObject(
        store="elasticsearch",
        name="shapes",
        source="kepler_elasticsearch",
        schema="kepler_elasticsearch",
        location=location,
        subject=subject or Subject(),
        fields=fields,
        rule=rule,
    )


def ruled(name: str, owner: str | None = None, rule: Rule = Rule.CONSTANT, email: str | None = None) -> Field:
    """A field with its rule."""
    return Field(name=name, rule=rule, owner=owner, email=email)


def known(*workers: Worker, names: tuple[str, ...] = ()) -> TargetSet:
    """Targets with emails, further needles of the first of them, and salts."""
    emails = [Needle(contributor_id=w.id, kind="email", value=normalise_email(w.email)) for w in workers]
    more = [Needle(contributor_id=workers[0].id, kind="name", value=name) for name in names]
    return TargetSet(
        batch_id="b-test",
        contributor_ids=frozenset(w.id for w in workers),
        needles=(*emails, *more),
        salts={w.id: f"salt of {w.id}" for w in workers},
    )


def judged(ground: Ground, item: InventoryObject, targets: TargetSet) -> list[FieldReading]:
    """What verification reads, with its own client and queries."""
    batch = VerifiedBatch(
        batch_id=targets.batch_id,
        persons={one: one for one in targets.contributor_ids},
        emails=dict(targets.emails),
        needles=dict(targets.needles_of),
    )
    settings = Settings.model_construct(elasticsearch=ElasticsearchSettings(url=ground.config.search_url))
    return read_search(settings, Inventory(world="kepler", objects=(item,)), batch)
