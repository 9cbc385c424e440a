"""The embedded engine without the gateway, in a process of its own, for comparison.

Holds: `InProcess`, which asks chdb's native connection, and the few lines that run on the other side. (Its session
class rewrites the output of some formats.)
Add here: a question for the engine. Keep out: anything of `sandbox.clickhouse`; that is what it is compared with.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The output of a statement, or the text of its error."""

    data: bytes = b""
    error: str = ""

    @property
    def code(self) -> str:
        """The number in an error, as text; empty without one."""
        return self.error.partition("Code: ")[2].partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class InProcess:
    """The engine; each statement has a connection of its own, as it has behind the gateway."""

    requests: IO[bytes]
    answers: IO[bytes]

    def run(self, query: str, output_format: str = "TabSeparated", **settings: str) -> Answer:
        # The gateway has this setting on every connection.
        settings = {"implicit_select": "0", **settings}
        answer = self._ask(query=_packed(query.encode()), format=output_format, settings=settings)
        return Answer(data=base64.b64decode(answer["data"]), error=answer["error"])

    def statements(self, text: bytes) -> int:
        """How many statements the engine sees in a text; 0 when it cannot parse it."""
        return int(self._ask(classify=_packed(text))["count"])

    def _ask(self, **request: object) -> dict[str, str]:
        self.requests.write(json.dumps(request).encode() + b"\n")
        self.requests.flush()
        answer: dict[str, str] = json.loads(self.answers.readline())
        return answer


@contextmanager
def in_process(directory: Path) -> Iterator[InProcess]:
    """The engine over a directory that nobody else has open."""
    command = [sys.executable, "-m", __name__, str(directory)]
    here = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield InProcess(requests=process.stdin, answers=process.stdout)
        finally:
            process.stdin.close()
            process.wait(30)


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _serve(directory: str) -> None:
    """Answer until the other side closes."""
    from chdb._chdb import connect

    root = connect(directory)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "classify" in request:
            opinion = root.classify_query(base64.b64decode(request["classify"]))
            answer = {"count": opinion["statement_count"]}
        else:
            # After a failure the next answer of a connection would begin with the half of this one.
            connection = connect(directory)
            answer = _run(connection, request)
            connection.close()
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()
    root.close()


def _run(connection: Any, request: Mapping[str, Any]) -> dict[str, str]:
    query = base64.b64decode(request["query"])
    try:
        for name, value in request["settings"].items():
            connection.query(f"SET {name} = {value}", "Null")
        result = connection.query(query, request["format"], params={})
    except RuntimeError as error:
        return {"data": "", "error": str(error)}
    return {"data": _packed(result.bytes()), "error": ""}


if __name__ == "__main__":
    _serve(sys.argv[1])
