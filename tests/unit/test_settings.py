"""Settings: file, environment and flags in this order; what is wrong is named by section and key, never by value."""

from pathlib import Path

import pytest

from erasure.errors import BadInput
from erasure.settings import Settings, config_path, load_settings, var_dir

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
        ("username = u\n", "", "[database] username: is missing"),
        ("host = db", "hots = db", "[database] hots: is not a known key"),
        ("[redis]", "[rediss]\n[redis]", "[rediss]: is not a known section"),
        ("host = db", f"host = db\nport = {SECRET}", "[database] port:"),
    ],
)
def test_what_is_wrong_is_named_by_section_and_key(ini: Path, old: str, new: str, sentence: str) -> None:
    ini.write_text(GOOD.replace(old, new))
    with pytest.raises(BadInput) as refused:
        load(ini)
    assert sentence in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("text", ["no section at all", "[a]\nx = 1\nx = 2", "[a\n"])
def test_a_file_that_is_no_ini_is_refused_without_its_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.ini"
    path.write_text(text)
    with pytest.raises(BadInput, match="is not an ini file at line"):
        load(path)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.ini"
    path.write_bytes(b"[database]\npassword = \xff\xfe\n")
    with pytest.raises(BadInput, match="cannot be read"):
        load(path)


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
