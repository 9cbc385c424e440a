"""Which codec reads an object: by the suffixes of its key, or by what the inventory says of it.

Holds: `codec_of`.
Add here: another format or compression, with its suffix.
Keep out: how a format is read (a module each, beside this one).
"""

from erasure.inventory import InventoryObject
from erasure.stores.s3.rows.base import Codec


def codec_of(key: str, item: InventoryObject) -> Codec | None:
    """The codec for an object by its key; None where neither its suffix nor the inventory names a format."""
    raise NotImplementedError
