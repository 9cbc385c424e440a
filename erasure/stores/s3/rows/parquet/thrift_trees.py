"""Thrift's compact protocol without a definition: what Parquet says of itself, as trees that are written as they came.

A definition would drop fields that it does not know, and a newer writer's file would lose what it says there.
Holds: `Tree`, `read_tree`, `tree_bytes`.
Add here: nothing of Parquet.
Keep out: what a field means (`footer.py`).
"""

from typing import Any

from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.protocol.TProtocol import TProtocolException, TType
from thrift.transport.TTransport import TMemoryBuffer, TTransportException

from erasure.stores.s3.rows.base import Flaw, UnreadableRows

_SCALARS = {
    TType.BOOL: ("readBool", "writeBool"),
    TType.BYTE: ("readByte", "writeByte"),
    TType.I16: ("readI16", "writeI16"),
    TType.I32: ("readI32", "writeI32"),
    TType.I64: ("readI64", "writeI64"),
    TType.DOUBLE: ("readDouble", "writeDouble"),
    TType.STRING: ("readBinary", "writeBinary"),
}
# A reader takes numbers of any length, a writer none that is too long for its type.
_BITS = {TType.I16: 16, TType.I32: 32, TType.I64: 64}
_BROKEN = (
    TProtocolException,
    TTransportException,
    AssertionError,
    EOFError,
    LookupError,
    RecursionError,
    ValueError,
)


class Tree(dict[int, tuple[int, Any]]):
    """A struct: number of a field -> its type and value, in the order in which they were read.

    A list is (type of its elements, elements), a struct within is a Tree, a text is bytes.
    """

    def get_value(self, number: int, default: Any = None) -> Any:
        """A field's value."""
        return self[number][1] if number in self else default

    def elements(self, number: int) -> list[Any]:
        """The elements of a field that is a list; none where it is missing."""
        found: list[Any] = self[number][1][1] if number in self else []
        return found

    def put(self, number: int, value: Any) -> None:
        """Another value in a field that is there, of the same type."""
        self[number] = (self[number][0], value)

    def shift(self, number: int, by: int) -> None:
        """Adds to a number, where there is one."""
        if number in self:
            self.put(number, self[number][1] + by)


def read_tree(raw: bytes) -> Tree:
    """The struct at the beginning of these bytes; raises UnreadableRows where there is none."""
    protocol = TCompactProtocol(
        TMemoryBuffer(raw), string_length_limit=len(raw), container_length_limit=len(raw)
    )
    try:
        return _read_struct(protocol)
    except _BROKEN as error:
        raise UnreadableRows(
            Flaw.FORMAT, f"what it says of itself is broken ({type(error).__name__})"
        ) from None


def tree_bytes(tree: Tree) -> bytes:
    """The struct as bytes."""
    held = TMemoryBuffer()
    _write_struct(TCompactProtocol(held), tree)
    return bytes(held.getvalue())


def _read_struct(protocol: Any) -> Tree:
    tree = Tree()
    protocol.readStructBegin()
    while True:
        _, kind, number = protocol.readFieldBegin()
        if kind == TType.STOP:
            break
        tree[_fitting(number, _BITS[TType.I16])] = (kind, _read(protocol, kind))
        protocol.readFieldEnd()
    protocol.readStructEnd()
    return tree


def _read(protocol: Any, kind: int) -> Any:
    if kind == TType.STRUCT:
        return _read_struct(protocol)
    if kind == TType.LIST:
        of, size = protocol.readListBegin()
        found = [_read(protocol, of) for _ in range(size)]
        protocol.readListEnd()
        return of, found
    value = getattr(protocol, _SCALARS[kind][0])()
    return _fitting(value, _BITS[kind]) if kind in _BITS else value


def _fitting(number: int, bits: int) -> int:
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise ValueError(f"a number is longer than {bits} bits")
    return number


def _write_struct(protocol: Any, tree: Tree) -> None:
    protocol.writeStructBegin("")
    for number, (kind, value) in tree.items():
        protocol.writeFieldBegin("", kind, number)
        _write(protocol, kind, value)
        protocol.writeFieldEnd()
    protocol.writeFieldStop()
    protocol.writeStructEnd()


def _write(protocol: Any, kind: int, value: Any) -> None:
    if kind == TType.STRUCT:
        _write_struct(protocol, value)
    elif kind == TType.LIST:
        of, elements = value
        protocol.writeListBegin(of, len(elements))
        for element in elements:
            _write(protocol, of, element)
        protocol.writeListEnd()
    else:
        getattr(protocol, _SCALARS[kind][1])(value)
