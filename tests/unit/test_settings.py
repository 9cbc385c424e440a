"""Settings: file, environment and flags in this order; what is wrong is named by section and key, never by value."""

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from erasure.errors import BadInput
from erasure.ini import read_ini
from erasure.settings import ENVIRONMENT, Settings, config_path, expanded, load_settings, var_dir
from erasure.store_settings import RedisSettings

SECRET = "pa%ss;w#ord = $x"
GOOD = f"""
[database]
host = db
database = kepler_dev
username = u
password = {SECRET}

[clickhouse]
username = c
password = p2

[elasticsearch]
url = http://search:9200

[s3]
bucket_name = b

[redis]
host = r
"""


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """A good file."""
    path = tmp_path / "config.ini"
    path.write_text(GOOD)
    return path


def load(path: Path, **environ: str) -> Settings:
    """The settings of a file and an environment."""
    return load_settings(path, environ=environ)


def test_a_good_file_is_read_with_defaults_and_odd_characters_in_passwords(ini: Path) -> None:
    settings = load(ini)
    assert settings.database.port == 5432
    assert settings.database.password.get_secret_value() == SECRET
    assert settings.erasure.world == "kepler"


def test_the_environment_overrides_the_file_and_a_flag_overrides_both(ini: Path) -> None:
    assert load(ini, ELASTICSEARCH_URL="http://e:1").elasticsearch.url == "http://e:1"
    flagged = load_settings(
        ini,
        environ={"CONTRIBUTOR_DELETION_JOB_URL": "http://a/jobs/1?secret=x"},
        flags={("api", "job_url"): "http://b/jobs/1?secret=y", ("api", "url"): None},
    )
    assert flagged.api.job_url is not None
    assert flagged.api.job_url.get_secret_value() == "http://b/jobs/1?secret=y"


def test_no_secret_is_in_the_representation(ini: Path) -> None:
    assert SECRET not in repr(load(ini)) and "p2" not in repr(load(ini))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[redis]\nhost = r", "", "[redis]: is missing"),
        ("username = u\n", "", "[database] username: is missing or empty"),
        ("username = u\n", "username =\n", "[database] username: is missing or empty"),
        ("host = db", "hots = db", "[database] hots: is not a known key; did you mean host?"),
        (
            "host = db",
            "host = db\nqqq = x",
            "[database] qqq: is not a known key; known are connect_seconds, host, port, database, username, password, "
            "purge, lock_timeout_seconds, statement_timeout_seconds",
        ),
        ("[redis]", "[rediss]\n[redis]", "[rediss]: is not a known section; did you mean redis?"),
        ("[database]", "[Database]", "[Database]: is not a known section; did you mean database?"),
        ("[redis]", "[DEFAULT]\nhost = r\n[redis]", "[DEFAULT]: is not a known section; known are database"),
        ("host = db", f"host = db\nport = {SECRET}", "[database] port: expected a whole number"),
        ("host = db", "host = db\nport = 5432 ; the default", "[database] port: expected a whole number"),
        ("host = db", "host = db\npurge = full", "[database] purge: Input should be 'vacuum' or 'rewrite'"),
        (
            "host = db",
            "host = db\nlock_timeout_seconds = -1",
            "[database] lock_timeout_seconds: Input should be greater than or equal to 0",
        ),
        (
            "host = db",
            "host = db\nstatement_timeout_seconds = 5s",
            "[database] statement_timeout_seconds: expected a",
        ),
        ("host = db", "host = db\nport =", "[database] port: expected a whole number"),
        ("host = db", "host = db\nport = 0", "[database] port: Input should be greater than or equal to 1"),
        (
            "host = db",
            "host = db\nport = -5432",
            "[database] port: Input should be greater than or equal to 1",
        ),
        (
            "host = db",
            "host = db\nport = 70000",
            "[database] port: Input should be less than or equal to 65535",
        ),
        ("host = db", f"host = http://u:{SECRET}@db", "[database] host: expected a host name alone"),
        ("host = db", "host = db:5432", "[database] host: expected a host name alone"),
        ("host = db", "host = db ; the first", "[database] host: expected a host name alone"),
        (
            "host = db",
            "host = db\n  port = 5432",
            "[database] host: goes on in a second line; begin every key",
        ),
        ("username = u", "username = u\0", "[database] username: holds a control character"),
        ("http://search:9200", "search:9200", "[elasticsearch] url: expected http://HOST:PORT"),
        ("http://search:9200", "//search:9200", "[elasticsearch] url: expected http://HOST:PORT"),
        ("http://search:9200", "http://search:92000", "[elasticsearch] url: expected http://HOST:PORT"),
        ("http://search:9200", "http://", "[elasticsearch] url: expected http://HOST:PORT"),
        ("http://search:9200", f"ftp://u:{SECRET}@search", "[elasticsearch] url: expected http://HOST:PORT"),
        (
            "bucket_name = b",
            "bucket_name = b\nendpoint_url = s3.local",
            "[s3] endpoint_url: expected http://",
        ),
        (
            "bucket_name = b",
            f"bucket_name = b\nendpoint_url = http://u:{SECRET.replace('#', '')}@s3",
            "[s3] endpoint_url: expected",
        ),
        ("bucket_name = b", "bucket_name =", "[s3] bucket_name: is missing or empty"),
        ("host = r", "host = r\ndb = -1", "[redis] db: Input should be greater than or equal to 0"),
        ("host = r", "host = r\n[api]\ntimeout_seconds = soon", "[api] timeout_seconds: expected a number"),
        ("host = r", "host = r\n[api]\ntimeout_seconds = nan", "[api] timeout_seconds: expected a number"),
        ("host = r", "host = r\n[erasure]\nworld = ../x", "[erasure] world: expected letters, digits"),
        (
            "host = r",
            "host = r\n[erasure]\nrequire_reviewed_plan = maybe",
            "[erasure] require_reviewed_plan: expected true or false",
        ),
        (
            "host = r",
            "host = r\n[erasure]\nlease_seconds = inf",
            "[erasure] lease_seconds: expected a number",
        ),
        ("host = r", "host = r\n[erasure]\nplan_hours = 1e12", "[erasure] plan_hours: Input should be less"),
    ],
)
def test_what_is_wrong_is_named_by_section_and_key(ini: Path, old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    ini.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(BadInput) as refused:
        load(ini)
    assert f"{ini}: {sentence}" in str(refused.value)
    assert refused.value.exit_code == 2
    assert "pa%ss" not in str(refused.value)


def test_everything_that_is_wrong_is_told_at_once(ini: Path) -> None:
    ini.write_text(GOOD.replace("host = db", "port = x").replace("[redis]", "[rediss]"))
    with pytest.raises(BadInput) as refused:
        load(ini)
    assert len(refused.value.problems) == 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no section at all", "at line 1: there is something before the first [section]"),
        ("[a\n", "at line 1: there is something before the first [section]"),
        ("[a]\nx = 1\nx = 2", "at line 3: a key stands there a second time"),
        ("[a]\nX = 1\nx = 2", "at line 3: a key stands there a second time"),
        ("[a]\nx = 1\n[a]\ny = 2", "at line 3: a section stands there a second time"),
        ("[a]\nx = 1\nhunter2\n", "at line 3: expected `key = value` there"),
    ],
)
def test_a_file_that_is_no_ini_is_refused_by_line_without_its_text(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "config.ini"
    path.write_text(text)
    with pytest.raises(BadInput) as refused:
        load(path)
    assert f"{path} is not an ini file {sentence}" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff{GOOD}".encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("host = r", "HOST: r\n# a remark\n; another\npassword =\ndb = 3").encode(),
        GOOD.replace("host = db", "host = /var/run/postgresql").encode(),
        GOOD.replace("host = db", "host = ::1").encode(),
    ],
    ids=["BOM", "CRLF", "remarks, colon, empty password", "socket", "IPv6"],
)
def test_marks_line_ends_and_remarks_do_not_matter(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.ini"
    path.write_bytes(content)
    found = load(path)
    assert found.database.password.get_secret_value() == SECRET
    assert found.redis.host == "r"
    assert found.redis.password is None


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b"[database]\npassword = \xff\xfe\n"), "it is not UTF-8"),
        (lambda path: path.write_bytes(GOOD.encode("utf-16")), "it is not UTF-8"),
        (lambda path: path.mkdir(), "it is a directory; name an ini file"),
        (lambda path: path.symlink_to(path), "the system says OSError; check the path"),
    ],
    ids=["Latin-1", "UTF-16", "directory", "link to itself"],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, make: object, sentence: str
) -> None:
    path = tmp_path / "config.ini"
    assert callable(make)
    make(path)
    with pytest.raises(BadInput) as refused:
        load(path)
    assert f"{path} cannot be read: {sentence}" in str(refused.value)


def test_credentials_may_stand_in_the_url_of_a_search_engine_and_are_never_shown(ini: Path) -> None:
    ini.write_text(GOOD.replace("http://search", "http://user:hunter2@search"))
    found = load(ini)
    assert found.elasticsearch.url == "http://user:hunter2@search:9200"
    assert "hunter2" not in f"{found!r}{found}"


def test_a_search_engine_is_entered_in_one_of_several_ways(ini: Path) -> None:
    secret = "zq7/w0rd+=="
    for keys in (
        f"username = u\npassword = {secret}",
        f"api_key = {secret}",
        "aws_region = eu-central-1",
        "aws_region = us-gov-west-1\naws_service = es",
    ):
        ini.write_text(GOOD.replace("http://search:9200", f"http://search:9200\n{keys}"))
        assert secret not in repr(load(ini))
    ini.write_text(GOOD)
    found = load(ini, ELASTICSEARCH_API_KEY=secret).elasticsearch
    assert found.api_key is not None and found.api_key.get_secret_value() == secret


@pytest.mark.parametrize(
    ("url", "keys", "says"),
    [
        ("http://u:zq7@search", "username = u\npassword = zq7", "[elasticsearch] url and {} username: both"),
        ("http://u:zq7@search", "api_key = zq7", "[elasticsearch] url and {} api_key: both say who asks"),
        ("http://u:zq7@search", "aws_region = eu-west-1", "[elasticsearch] url and {} aws_region: both"),
        ("http://s", "username = u\npassword = zq7\napi_key = zq7", "username and {} api_key: both"),
        ("http://s", "api_key = zq7\naws_region = eu-west-1", "api_key and {} aws_region: both"),
        ("http://s", "username = u", "username and {} password: are wanted together or not at all"),
        ("http://s", "password = zq7", "username and {} password: are wanted together or not at all"),
        ("http://s", "username = u:zq7\npassword = zq7", "username: expected a user name without a colon"),
        ("http://s", "api_key = zq7 zq7", "api_key: expected an API key as it was given out, or ID:KEY"),
        ("http://s", "aws_region = zq7", "aws_region: expected a region such as eu-central-1"),
        ("http://s", "aws_region = eu-west-1\naws_service = aoss", "aws_service: Input should be 'es'"),
        ("http://s", "ca_certs = ca.pem", "ca_certs and {} url: do not fit: a certificate is for https"),
        ("https://s", "ca_certs = ~nobody-zq/ca.pem", "ca_certs: begins with a home that does not exist"),
    ],
)
def test_ways_into_a_search_engine_that_contradict_each_other_are_refused_by_both_keys(
    ini: Path, url: str, keys: str, says: str
) -> None:
    ini.write_text(GOOD.replace("http://search:9200", f"{url}\n{keys}"))
    with pytest.raises(BadInput) as refused:
        load(ini)
    assert says.format(f"{ini}: [elasticsearch]") in str(refused.value)
    assert "zq7" not in str(refused.value)


def test_a_variable_that_contradicts_the_file_is_named_beside_its_key(ini: Path) -> None:
    ini.write_text(GOOD.replace("http://search", "http://u:zq7@search"))
    with pytest.raises(BadInput) as refused:
        load(ini, ELASTICSEARCH_API_KEY="zq7")
    assert f"{ini}: [elasticsearch] url and ELASTICSEARCH_API_KEY: both say who asks" in str(refused.value)


@pytest.mark.parametrize("variable", ["ELASTICSEARCH_URL", "CLICKHOUSE_USERNAME"])
def test_a_wrong_variable_of_the_environment_is_named_itself(
    ini: Path, tmp_path: Path, variable: str
) -> None:
    wrong = {"ELASTICSEARCH_URL": "search:9200"}
    for path in (ini, tmp_path / "absent.ini"):
        with pytest.raises(BadInput) as refused:
            load(path, **wrong)
        assert "ELASTICSEARCH_URL: expected http://HOST:PORT" in str(refused.value)
    assert load(ini, **{variable: ""}).clickhouse.username == "c"


texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\x85\u2028\u2029"),
    min_size=1,
    max_size=30,
).map(str.strip)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts.filter(bool))
@example("%(host)s")
@example("a ; b")
@example("#x")
@example("= :")
def test_a_password_is_read_as_it_was_written(ini: Path, password: str) -> None:
    ini.write_text(GOOD.replace(SECRET, password), encoding="utf-8")
    assert load(ini).database.password.get_secret_value() == password


lines = st.sampled_from(
    ["[database]", "[s3]", "[", "x", "port = zq7", "host: zq7 zq7", " zq7", "password = zq7", "\0"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.lists(lines, max_size=8).map(lambda found: "\n".join(found).encode()))
def test_any_bytes_are_settings_or_bad_input_that_repeats_no_value(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.ini"
    for start in (b"", GOOD.encode()):
        path.write_bytes(start + content)
        try:
            load(path)
        except BadInput as refused:
            assert "zq7" not in str(refused)


names = st.text(string.ascii_lowercase + "_", min_size=1, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names, st.dictionaries(names, texts, max_size=4), max_size=4))
def test_an_ini_file_is_read_as_it_was_written(tmp_path: Path, sections: dict[str, dict[str, str]]) -> None:
    path = tmp_path / "config.ini"
    path.write_text(
        "".join(
            f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
            for section, keys in sections.items()
        ),
        encoding="utf-8",
    )
    assert read_ini(path) == sections


def test_every_variable_of_the_environment_leads_to_a_key() -> None:
    for section, key in ENVIRONMENT.values():
        assert key in Settings.model_fields[section].annotation.model_fields  # type: ignore[union-attr]


def test_no_file_and_no_environment_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"No configuration: .* write that file as in the README"):
        load(tmp_path / "absent.ini")


def test_the_flag_names_the_file_before_the_environment_does() -> None:
    environ = {"CONTRIBUTOR_DELETION_CONFIG": "/e.ini"}
    assert config_path(config="~/x.ini", integration=True, environ=environ) == Path.home() / "x.ini"
    assert config_path(config=None, integration=True, environ=environ).name == "config_integration.ini"
    assert config_path(config=None, integration=False, environ=environ) == Path("/e.ini")
    assert config_path(config=None, integration=False, environ={}) == Path.home() / "config.ini"


def test_run_time_files_go_where_the_environment_says(tmp_path: Path) -> None:
    assert var_dir({"CONTRIBUTOR_DELETION_VAR": str(tmp_path)}) == tmp_path
    assert var_dir({}).name == "var"


@pytest.mark.parametrize("flag", ["", "  "])
def test_a_flag_that_names_no_file_leads_to_no_other_file(flag: str) -> None:
    with pytest.raises(BadInput, match="--config names no file"):
        config_path(config=flag, integration=True, environ={})


def test_a_home_that_does_not_exist_is_named() -> None:
    with pytest.raises(BadInput, match="~nobody-of-this-name/x begins with a home"):
        expanded("~nobody-of-this-name/x")


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("redis://r:1/3", {"host": "r", "port": 1, "db": 3, "tls": False, "cluster": False}),
        ("rediss://u:p%40w@r", {"host": "r", "port": 6379, "db": 0, "tls": True, "username": "u"}),
        (
            "rediss+cluster://:pw@a:1,b:2",
            {"host": "a", "port": 1, "cluster": True, "tls": True, "nodes": "b:2"},
        ),
        ("redis://[::1]:7", {"host": "::1", "port": 7}),
    ],
)
def test_a_url_of_redis_stands_for_its_keys_and_shows_no_secret(url: str, keys: dict[str, Any]) -> None:
    found = RedisSettings.model_validate({"host": "elsewhere", "port": "9", "db": "5", "url": url})
    assert {key: getattr(found, key) for key in keys} == keys
    assert "p%40w" not in repr(found) and "p@w" not in repr(found)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"url": "http://secret-word@r"}, "expected redis://HOST:PORT/DB"),
        ({"url": "redis://a:1,b:2"}, "expected redis://HOST:PORT/DB"),
        ({"cluster": "true", "db": "2"}, "a cluster has database 0 alone"),
        ({"cluster": "true", "nodes": "b:x"}, "expected HOST:PORT, with commas"),
        ({"tls": "true", "ca_certs": "/nowhere.pem"}, "expected a file with certificates"),
    ],
)
def test_what_is_wrong_with_redis_is_said_without_a_value(keys: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RedisSettings.model_validate(keys)
    assert sentence in str(caught.value)
    assert "secret-word" not in str(caught.value)
