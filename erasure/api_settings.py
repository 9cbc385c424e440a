"""Section `[api]`: where the platform's job API is, and the shape of its calls, since every platform's differ.

Holds: the section, its forms, and what each may refer to. docs/api.md explains every key by the sandbox's API.
Add here: another thing in which two platforms' APIs differ, with the sandbox's as default.
Keep out: sending anything (`job_api/client.py`), and filling the forms in (`job_api/shape.py`).
"""

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, model_validator
from pydantic import Field as Setting
from pydantic_core import PydanticCustomError

from erasure.setting_types import Url

# Call -> what its path and its body may refer to in braces, besides the job.
CALLS = {
    "login": ("contributor_id",),
    "fetch": (),
    "commit": ("unit_id", "label"),
    "route": ("project_id", "units"),
    "logout": (),
}
WHOLE_ANSWER = "."
NOTHING = "-"
_CALL = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (\S+)")
_HEADER = re.compile(r"([A-Za-z0-9-]+): ?([\x21-\x7e ]*\{token\}[\x21-\x7e ]*)")
_PLACE = re.compile(r"\{([^{}]*)\}")


def _call(text: str) -> str:
    if not _CALL.fullmatch(text) or re.search(r"[?#]", text) or "://" in text:
        raise PydanticCustomError("call", "expected a method and a path without a query, such as POST login")
    return text


def _body(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise PydanticCustomError("body", "expected a JSON object on one line")
    return text


def _job_path(text: str) -> str:
    if text.count("{job}") != 1 or not re.fullmatch(r"[^\s/?#]+(?:/[^\s/?#]+)*", text):
        raise PydanticCustomError("job_path", "expected how the path of a job URL ends, such as jobs/{job}")
    return text


def _token_header(text: str) -> str:
    if not _HEADER.fullmatch(text):
        raise PydanticCustomError(
            "header", "expected a header with {token}, such as Authorization: Bearer {token}"
        )
    return text


Call = Annotated[str, AfterValidator(_call)]
# A JSON object. A text that is nothing but `{name}` becomes the value itself, numbers included.
Body = Annotated[str, AfterValidator(_body)]
# Keys of an answer, with dots between them; WHOLE_ANSWER, or NOTHING where any success will do.
Place = Annotated[str, Setting(pattern=r"^[^\s]+$")]


class ApiSettings(BaseModel):
    """The platform's job API; without a job URL the proof of lockout is `not_configured`.

    A path of a call stands below the job URL; one that begins with `/` is the host's, and may hold `{job}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    url: Url | None = None
    job_url: SecretStr | None = None
    # Taken where the job URL holds no secret of its own.
    job_secret: SecretStr | None = None
    timeout_seconds: float = Setting(default=10.0, gt=0, le=3_600)
    sample_size: int = Setting(default=3, ge=1, le=100)
    # How many people are tried at once.
    concurrency: int = Setting(default=4, ge=1, le=32)
    # What the API tests hand in where they commit.
    test_label: str = "test"

    job_path: Annotated[str, AfterValidator(_job_path)] = "jobs/{job}"
    secret_parameter: str = Setting(default="secret", pattern=r"^[A-Za-z0-9_.~-]+$")
    # Where it is named, the secret travels in this header and in no URL.
    secret_header: str = Setting(default="", pattern=r"^[A-Za-z0-9-]*$")
    token_header: Annotated[str, AfterValidator(_token_header)] = "Authorization: Bearer {token}"

    login_call: Call = "POST login"
    login_body: Body = '{"contributor_id": "{contributor_id}"}'
    token_field: Place = "token"

    fetch_call: Call = "POST fetch"
    fetch_body: Body | None = None
    units_field: Place = "units"
    unit_id_field: Place = "unit_id"

    commit_call: Call = "POST commit"
    commit_body: Body = '{"unit_id": "{unit_id}", "label": "{label}"}'
    judgment_field: Place = "judgment_id"

    route_call: Call = "POST route"
    route_body: Body = '{"project_id": "{project_id}", "units": "{units}"}'
    routed_field: Place = "routed"

    logout_call: Call = "POST logout"
    logout_body: Body | None = None

    @model_validator(mode="after")
    def _only_known_places(self) -> "ApiSettings":
        for name, known in CALLS.items():
            allowed = {"job", *known}
            for key in (f"{name}_call", f"{name}_body"):
                text = getattr(self, key) or ""
                named = set(_PLACE.findall(text) if key.endswith("_call") else _in_body(text))
                if named - allowed:
                    # What stands in braces is the user's own text, and so is not repeated.
                    raise PydanticCustomError(
                        "places",
                        "{key} refers to something else in braces than {known}",
                        {"key": key, "known": ", ".join(sorted(allowed))},
                    )
        if "contributor_id" not in _PLACE.findall(self.login_call + (self.login_body or "")):
            raise PydanticCustomError("places", "login_body has to hold {contributor_id}")
        return self


def _in_body(text: str) -> list[str]:
    return [name for value in _texts(json.loads(text)) for name in _PLACE.findall(value)] if text else []


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key in value.values() for text in _texts(key)]
    if isinstance(value, list):
        return [text for element in value for text in _texts(element)]
    return [value] if isinstance(value, str) else []
