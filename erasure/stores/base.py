"""What a store is: health, count, mask and purge, in one small protocol.

Add here: what every store must be able to do.
Keep out: anything of one engine; a store is a module of its own beside this one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from erasure.counts import Counts
from erasure.errors import ErasureError, StoreUnavailable, safe_reason
from erasure.patience import within
from erasure.targets import TargetSet

# (object, done, total): told as often as a store likes; total is 0 where nobody knows it.
Progress = Callable[[str, int, int], None]


def no_progress(object_name: str, done: int, total: int) -> None:
    """For callers that show none."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """An engine that answered: its name and version."""

    engine: str
    version: str


# Object -> how many records it has, counted no further than this: enough to tell a place that is empty.
Holdings = Mapping[str, int]
COUNTED_AT_MOST = 1_000
_GRACE_SECONDS = 0.5
PURGED = "purged"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a store says of the inventory before anything is counted, a sentence each.

    problems: what the inventory does not know, and what masking could not write; each refuses the plan.
    notices: what whoever reviews the plan should know; they refuse nothing.
    """

    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


class Store(Protocol):
    """One of the engines that hold personal data.

    Every method raises StoreUnavailable where the engine does not answer or lets nobody in, and StoreRefused where
    it answers and will not do it; both without a value of a person.
    """

    @property
    def name(self) -> str:
        """As the inventory calls it."""
        ...

    @property
    def purge_state(self) -> str:
        """What a record is called once it has been purged: `purged`, or less where copies are left within reach."""
        ...

    def health(self) -> Health:
        """Asks the engine for its version with the configured credentials."""
        ...

    def survey(self) -> Survey:
        """Holds the inventory against what the store has and can hold; reads catalogs, and no record."""
        ...

    def holdings(self) -> Holdings:
        """How many records each object has, whosever they are; as cheap as the engine allows."""
        ...

    def count(self, targets: TargetSet) -> Counts:
        """What `mask` would change now, by the predicates that mask."""
        ...

    def mask(self, targets: TargetSet, progress: Progress) -> Counts:
        """Changes it, counts again, and returns what was changed; raises Incomplete where anything is left."""
        ...

    def purge(self, targets: TargetSet, progress: Progress) -> Counts:
        """Removes the physical copies under what was masked; raises Incomplete where one is left."""
        ...


def health_within(store: Store, *, section: str, seconds: int) -> Health:
    """The store's health; raises StoreUnavailable where it has not said in that many seconds that it is one."""
    try:
        # A little longer than the driver, which says more of what it waited for.
        return within(seconds + _GRACE_SECONDS, store.health)
    except TimeoutError:
        raise StoreUnavailable(
            store=store.name,
            what=f"did not say who it is within {seconds} s",
            remedy=f"check where [{section}] leads, or raise connect_seconds there",
        ) from None
    except ErasureError:
        raise
    # What is none of its kind makes a driver stumble in any way: over a number that is none, in a circle of redirects.
    except Exception as error:
        raise StoreUnavailable(
            store=store.name,
            what=f"what answers is none ({safe_reason(error)})",
            remedy=f"check where [{section}] leads",
        ) from None
