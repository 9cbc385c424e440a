"""Clients that leave before they have their answer, or before they have sent all of it.

Add here: a moment at which a client may go. Keep out: the gateway that goes (`test_clickhouse_gateway_kills.py`).
"""

from __future__ import annotations

import os
import socket
import struct
import uuid

import pytest

from tests.contract.clickhouse_gateway_support import (
    Gateway,
    asking,
    chunked_insert,
    ids,
    running,
    wait_until,
)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"default_format": "JSON"}, {"wait_end_of_query": "1"}, {"session_id": "left-alone"}],
    ids=["streamed", "not streamed", "waited for", "in a session"],
)
def test_a_query_that_never_answers_ends_when_its_client_leaves(
    gateway: Gateway, parameters: dict[str, str]
) -> None:
    mark, stays = uuid.uuid4().hex, uuid.uuid4().hex
    endless = "SELECT sum(sipHash64(number)), '{}' FROM numbers(100000000000)"
    with asking(gateway, endless.format(stays)):
        with asking(gateway, endless.format(mark), **parameters):
            wait_until(lambda: running(gateway, mark) == running(gateway, stays) == 1, "they do not run")
        wait_until(lambda: running(gateway, mark) == 0, "the query outlives its client")
        assert running(gateway, stays) == 1
    wait_until(lambda: running(gateway, stays) == 0, "the other query outlives its client")
    assert gateway.post(body="SELECT 1", session_id="left-alone").text == "1\n"


def test_a_statement_that_writes_goes_on_without_its_client_as_on_a_server(
    gateway: Gateway, people: str
) -> None:
    slow = f"INSERT INTO {people} SELECT number + 10, 'x' FROM numbers(4) WHERE sleepEachRow(0.7) = 0"
    with asking(gateway, slow, max_block_size="1"):
        wait_until(lambda: running(gateway, people) == 1, "it does not run")
    wait_until(lambda: ids(gateway, people) == [1, 2, 10, 11, 12, 13], "the rows do not arrive")


def test_kill_query_ends_what_nobody_waits_for(gateway: Gateway) -> None:
    gateway.sql("CREATE TABLE nowhere (n UInt64) ENGINE = Null")
    with asking(gateway, "INSERT INTO nowhere SELECT sipHash64(number) FROM numbers(100000000000)"):
        wait_until(lambda: running(gateway, "nowhere SELECT") == 1, "it does not run")
    gateway.sql("KILL QUERY WHERE query LIKE '%nowhere SELECT%' AND query_kind = 'Insert' ASYNC")
    wait_until(lambda: running(gateway, "nowhere SELECT") == 0, "it runs on")
    gateway.sql("DROP TABLE nowhere SYNC")


def reset(wire: socket.socket) -> None:
    """Close with RST, as a client that was killed."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


@pytest.mark.parametrize("rudely", [False, True], ids=["with a farewell", "without"])
@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_client_that_breaks_off_in_the_middle_of_its_rows_inserts_none(
    gateway: Gateway, people: str, framing: str, rudely: bool
) -> None:
    rows = b"".join(b"%d,user%d@example.com\n" % (number, number) for number in range(10, 200_000))
    request = chunked_insert(people, b"%x\r\n%b\r\n" % (len(rows), rows))
    if framing == "length":
        line = b"Content-Length: %d\r\n\r\n%b" % (len(rows) + 1, rows)
        request = request.partition(b"Transfer-Encoding")[0] + line
    before = open_files(gateway)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as wire:
        wire.sendall(request)
        wait_until(lambda: open_files(gateway) > before, "the gateway does not listen")
        if rudely:
            reset(wire)
    # The connection and the file of its body are closed: the request is over.
    wait_until(lambda: open_files(gateway) <= before, "the request does not end")
    assert ids(gateway, people) == [1, 2]


def open_files(gateway: Gateway) -> int:
    assert gateway.process is not None
    return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))
