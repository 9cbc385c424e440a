"""Which codec reads an object: by the suffixes of its key, or by what the inventory says of it.

Holds: `codec_of`.
Add here: another format or compression (its suffix in `erasure/inventory.py`).
Keep out: how a format is read (a module each, beside this one).
"""

from erasure.inventory import InventoryObject, Rows
from erasure.stores.s3.rows.base import Codec
from erasure.stores.s3.rows.delimited import Delimited
from erasure.stores.s3.rows.json_lines import JsonLines
from erasure.stores.s3.rows.json_values import JsonValues
from erasure.stores.s3.rows.parquet.codec import Parquet


def codec_of(key: str, item: InventoryObject) -> Codec | None:
    """The codec for an object by its key; None where neither its suffix nor the inventory names a format, and for
    packed Parquet, which nobody writes.
    """
    rows = item.rows or Rows()
    told, compression = rows.format_of(key)
    match told:
        case "csv":
            return Delimited(delimiter=rows.delimiter, encoding=rows.encoding, compression=compression)
        case "tsv":
            return Delimited(delimiter="\t", encoding=rows.encoding, compression=compression)
        case "jsonl":
            return JsonLines(compression=compression)
        case "json":
            return JsonValues(compression=compression)
        case "parquet" if compression is None:
            return Parquet()
    return None
