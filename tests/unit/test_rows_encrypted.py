"""Parquet with an encrypted column: nobody here has its key, so nothing of it can be masked.

Add here: another part of a file that can be encrypted.
Keep out: files that are encrypted as a whole (`test_rows_parquet.py`).
"""

import base64
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from erasure.stores.s3.rows.base import Flaw, UnreadableRows
from tests.unit.rows_support import BOB, CONTROL, prepared

TABLE = pa.table({"id": [CONTROL], "email": [BOB], "label": [1]})


class KeysAsTheyAre(pe.KmsClient):  # type: ignore[misc]
    """Gives every key away: what matters is that the file is encrypted."""

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        """The key itself, as text."""
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
        """The same back."""
        return base64.b64decode(wrapped_key)


@pytest.mark.parametrize("column", ["email", "label"])
def test_an_encrypted_column_is_an_error_whether_it_is_ruled_or_not(column: str) -> None:
    factory = pe.CryptoFactory(lambda _: KeysAsTheyAre())
    chosen = pe.EncryptionConfiguration("footer", column_keys={"one": [column]}, plaintext_footer=True)
    connection = pe.KmsConnectionConfig()
    properties = factory.file_encryption_properties(connection, chosen)
    sink = io.BytesIO()
    pq.write_table(TABLE, sink, encryption_properties=properties)
    raw = sink.getvalue()
    assert raw.endswith(b"PAR1")
    codec, rules = prepared("a.parquet")
    with pytest.raises(UnreadableRows, match="columns of it are encrypted") as flaw:
        codec.count(io.BytesIO(raw), rules)
    assert flaw.value.kind is Flaw.ENCRYPTED
    with pytest.raises(UnreadableRows, match="columns of it are encrypted"):
        codec.rewrite(io.BytesIO(raw), io.BytesIO(), rules)
