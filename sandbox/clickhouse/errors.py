"""The gateway's one exception, and how ClickHouse turns exceptions into HTTP.

Add here: codes the gateway itself raises, and statuses that a real server gives a code.
Keep out: anything that decides when to raise.
"""

from __future__ import annotations

import re
from http import HTTPStatus

BAD_ARGUMENTS = 36
NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
READONLY = 164
NOT_ENOUGH_SPACE = 243
SESSION_NOT_FOUND = 372
SESSION_IS_LOCKED = 373
AUTHENTICATION_FAILED = 516
STD_EXCEPTION = 1001

_NAMES = {
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    READONLY: "READONLY",
    NOT_ENOUGH_SPACE: "NOT_ENOUGH_SPACE",
    SESSION_NOT_FOUND: "SESSION_NOT_FOUND",
    SESSION_IS_LOCKED: "SESSION_IS_LOCKED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    STD_EXCEPTION: "STD_EXCEPTION",
}

_BAD_REQUEST = {6, 26, 27, 36, 38, 41, 53, 62, 70, 72, 117, 131, 168, 171, 457}
_NOT_FOUND = {46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 336}
_STATUS = (
    {code: HTTPStatus.BAD_REQUEST for code in _BAD_REQUEST}
    | {code: HTTPStatus.NOT_FOUND for code in _NOT_FOUND}
    | {
        NOT_IMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
        159: HTTPStatus.REQUEST_TIMEOUT,
        AUTHENTICATION_FAILED: HTTPStatus.FORBIDDEN,
    }
)
_CODE = re.compile(r"Code: ([0-9]+)\. ")


class ClickHouseError(Exception):
    """An exception with the number and the text that a client of ClickHouse expects."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def status(self) -> HTTPStatus:
        return _STATUS.get(self.code, HTTPStatus.INTERNAL_SERVER_ERROR)


def refusal(code: int, reason: str) -> ClickHouseError:
    """An exception of the gateway's own, worded as the server words its own."""
    return ClickHouseError(code, f"Code: {code}. DB::Exception: {reason} ({_NAMES[code]})")


def from_engine(error: Exception) -> ClickHouseError:
    """The engine raises plain RuntimeErrors; its number stands at the start of the text."""
    text = str(error)
    found = _CODE.search(text)
    if found is None:
        return refusal(STD_EXCEPTION, text)
    return ClickHouseError(int(found.group(1)), text[found.start() :])
