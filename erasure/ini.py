"""The ini file as text: what stands in it, section by section, before anybody asks what it means.

Add here: another way in which such a file can be spoilt, with its sentence.
Keep out: which sections and keys there are (`settings.py`), and values in any sentence: half of them are secrets.
"""

import configparser
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from erasure.errors import BadInput

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SENTENCES: Mapping[type[configparser.Error], str] = {
    configparser.DuplicateSectionError: "a section stands there a second time",
    configparser.DuplicateOptionError: "a key stands there a second time",
    configparser.MissingSectionHeaderError: "there is something before the first [section]",
    configparser.ParsingError: "expected `key = value` there",
}


def read_ini(path: Path) -> dict[str, dict[str, str]]:
    """Section -> key -> text; nothing where there is no such file.

    Raises BadInput that names the file, and the line or the key, never a value.
    """
    # No interpolation: a `%` in a password is a `%`. No inline comments: a `;` in a password is a `;`.
    # No section whose keys would appear in all others: [DEFAULT] is a section like any, and an unknown one.
    parser = configparser.RawConfigParser(default_section="\0")
    try:
        with path.open(encoding="utf-8-sig") as file:
            parser.read_file(file)
    except FileNotFoundError:
        return {}
    except (UnicodeDecodeError, OSError) as error:
        raise BadInput(f"{path} cannot be read: {_reason(error)}.") from None
    except configparser.Error as error:
        raise BadInput(f"{path} is not an ini file{_told(error)}; see the README for its form.") from None
    sections = {name: dict(parser.items(name)) for name in parser.sections()}
    problems = list(_spoilt(path, sections))
    if problems:
        raise BadInput(f"{path} is wrong; nothing was changed.", problems)
    return sections


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8; save it in UTF-8"
    if isinstance(error, IsADirectoryError):
        return "it is a directory; name an ini file"
    if isinstance(error, PermissionError):
        return "its rights do not let this user in; change them or its owner"
    return f"the system says {type(error).__name__}; check the path"


def _told(error: configparser.Error) -> str:
    line = getattr(error, "lineno", None)
    # A ParsingError holds the text of each line that is wrong; only the first one's number is told.
    for number, _ in getattr(error, "errors", ()):
        line = line or number
    sentence = next((text for kind, text in _SENTENCES.items() if type(error) is kind), type(error).__name__)
    return f" at line {line}: {sentence}" if line else f": {sentence}"


def _spoilt(path: Path, sections: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for section, keys in sections.items():
        for key, value in keys.items():
            where = f"{path}: [{section}] {key}"
            if "\n" in value:
                # An indented line goes on with the value above it, so that its own key would be lost in there.
                yield f"{where}: goes on in a second line; begin every key at the left margin"
            elif _CONTROL.search(value):
                yield f"{where}: holds a control character; write it anew"
