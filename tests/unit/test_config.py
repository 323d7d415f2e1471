from __future__ import annotations

import os
from pathlib import Path

import pytest

from mongoshot.config import (
    DEFAULT_DATABASE,
    DEFAULT_SNAPSHOTS,
    OPTIONS,
    Project,
    read_project,
    resolve,
)
from mongoshot.errors import UsageError

URL = "mongodb://db.internal:27017"


def project(directory: Path, text: str | bytes) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "pyproject.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_without_any_source_the_defaults_count(tmp_path: Path) -> None:
    settings = resolve({}, root=tmp_path, environment={})
    assert settings.db_url is None
    assert settings.db_name == DEFAULT_DATABASE
    assert not settings.db_name_is_given
    assert settings.snapshots_path == tmp_path / DEFAULT_SNAPSHOTS
    assert settings.project == Project(tmp_path)


@pytest.mark.parametrize(
    ("flag", "environment", "ini", "decided"),
    [
        ("flag", "environment", "ini", "flag"),
        (None, "environment", "ini", "environment"),
        (None, None, "ini", "ini"),
        ("flag", None, "ini", "flag"),
        ("flag", "environment", None, "flag"),
        (None, "environment", None, "environment"),
    ],
)
def test_the_flag_counts_before_the_environment_before_the_ini_key(
    tmp_path: Path, flag: str | None, environment: str | None, ini: str | None, decided: str
) -> None:
    for option in OPTIONS:
        if option.key in {"scenario-databases", "natural-order", "scenario-record"}:
            continue  # take no text of any kind; their source is decided in the same place
        settings = resolve(
            {option.key: flag},
            root=tmp_path,
            environment={option.environment: environment} if environment else {},
            ini={option.key: ini},
        )
        assert Path(str(getattr(settings, option.key.replace("-", "_")))).name == decided
        assert settings.db_name_is_given == (option.key == "db-name")


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "²"])
def test_a_number_of_databases_is_a_whole_number_from_1_on(tmp_path: Path, value: str) -> None:
    assert resolve({}, root=tmp_path, environment={}).scenario_databases == 4
    given = resolve({"scenario-databases": "12"}, root=tmp_path, environment={})
    assert given.scenario_databases == 12
    with pytest.raises(UsageError, match="scenario-databases should be a whole number from 1 on"):
        resolve({"scenario-databases": value}, root=tmp_path, environment={})


def test_natural_order_is_one_of_two(tmp_path: Path) -> None:
    assert resolve({}, root=tmp_path, environment={}).natural_order == "small"
    exact = resolve({}, root=tmp_path, environment={"NATURAL_ORDER": "exact"})
    assert exact.natural_order == "exact"
    with pytest.raises(UsageError, match="natural-order should be small or exact, not 'large'"):
        resolve({"natural-order": "large"}, root=tmp_path, environment={})


def test_a_mode_of_recording_is_one_of_three_and_says_where_it_is_from(tmp_path: Path) -> None:
    default = resolve({}, root=tmp_path, environment={})
    assert (default.scenario_record, default.scenario_record_said) == ("none", "")
    said = resolve({}, root=tmp_path, environment={"SCENARIO_RECORD": "rewrite"})
    assert said.scenario_record == "rewrite"
    assert said.scenario_record_said == "the environment variable SCENARIO_RECORD"
    with pytest.raises(
        UsageError, match=r"^--scenario-record should be none, once or rewrite, not 'all'$"
    ):
        resolve({"scenario-record": "all"}, root=tmp_path, environment={})


def test_an_empty_value_is_refused_with_its_source(tmp_path: Path) -> None:
    for given in OPTIONS:
        with pytest.raises(UsageError, match=f"^--{given.key} is empty; give it a value or leave"):
            resolve({given.key: ""}, root=tmp_path, environment={})
        with pytest.raises(UsageError, match=f"^the environment variable {given.environment} is"):
            resolve({given.key: "x"}, root=tmp_path, environment={given.environment: ""})
        with pytest.raises(UsageError, match=f"^the ini key {given.key} is empty"):
            resolve({}, root=tmp_path, environment={}, ini={given.key: ""})


def test_a_relative_path_counts_from_the_root(tmp_path: Path) -> None:
    settings = resolve({"snapshots-path": "a/b"}, root=tmp_path, environment={})
    assert settings.snapshots_path == tmp_path / "a" / "b"


def test_an_absolute_path_is_left_alone(tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "elsewhere")
    settings = resolve({"snapshots-path": elsewhere}, root=tmp_path / "x", environment={})
    assert settings.snapshots_path == Path(elsewhere)


def test_every_option_says_what_it_is_for() -> None:
    assert all(option.help and option.environment.isupper() for option in OPTIONS)


def test_the_table_of_the_nearest_file_is_read(tmp_path: Path) -> None:
    project(tmp_path, '[tool.mongoshot]\nallowed-hosts = ["far"]\n')
    project(
        tmp_path / "a", '[tool.mongoshot]\nallowed-hosts = ["ci", "ci:27018"]\nmongod = "bin/m"\n'
    )
    below = tmp_path / "a" / "b" / "c"
    below.mkdir(parents=True)
    assert read_project(below, {}) == Project(
        tmp_path / "a", frozenset({"ci", "ci:27018"}), tmp_path / "a" / "bin" / "m"
    )


def test_a_relative_start_is_looked_at_up_to_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, '[tool.mongoshot]\nallowed-hosts = ["ci"]\n')
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    assert read_project(Path("b"), {}).allowed_hosts == {"ci"}


@pytest.mark.parametrize("text", ["", "[project]\n", "[tool.other]\n", "[tool.mongoshot]\n"])
def test_a_file_without_keys_of_ours_allows_nothing(tmp_path: Path, text: str) -> None:
    project(tmp_path, text)
    assert read_project(tmp_path, {}) == Project(tmp_path)


def test_the_environment_names_the_mongod_before_the_table(tmp_path: Path) -> None:
    project(tmp_path, '[tool.mongoshot]\nmongod = "mine"\n')
    environment = {"MONGOSHOT_MONGOD": str(tmp_path / "theirs")}
    assert read_project(tmp_path, environment).mongod == tmp_path / "theirs"


def test_an_empty_variable_does_not_hide_the_table(tmp_path: Path) -> None:
    project(tmp_path, '[tool.mongoshot]\nmongod = "mine"\n')
    assert read_project(tmp_path, {"MONGOSHOT_MONGOD": ""}).mongod == tmp_path / "mine"


def test_the_environment_never_allows_a_host(tmp_path: Path) -> None:
    environment = {"ALLOWED_HOSTS": "prod", "MONGOSHOT_ALLOWED_HOSTS": "prod"}
    assert read_project(tmp_path, environment).allowed_hosts == frozenset()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.mongoshot]\nallowed_hosts = []\n", "no key 'allowed_hosts'; it takes allowed-host"),
        ("[tool.mongoshot]\nallowed-hosts = 'ci'\n", "should be a list of host names"),
        ("[tool.mongoshot]\nallowed-hosts = [1]\n", "should be a list of host names"),
        ("[tool.mongoshot]\nallowed-hosts = ['']\n", "should be a list of host names"),
        ("[tool.mongoshot]\nmongod = 1\n", "should be the path of a mongod"),
        ("[tool.mongoshot]\nmongod = ''\n", "should be the path of a mongod"),
        ("[tool]\nmongoshot = 3\n", "should be a table"),
        ("[tool]\nmongoshot = 'x'\n", "should be a table"),
        ("[[tool.mongoshot]]\n", "should be a table"),
        ("tool = 3\n", "should be a table"),
        ("[tool.mongoshot\n", "is not TOML"),
        (b"\xff", "is not TOML"),
    ],
)
def test_a_table_that_is_wrong_is_one_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    file = project(tmp_path, text)
    with pytest.raises(UsageError, match=message) as caught:
        read_project(tmp_path, {"MONGOSHOT_MONGOD": "x"})
    assert str(file) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    project(tmp_path, "").chmod(0)
    with pytest.raises(UsageError, match="cannot read"):
        read_project(tmp_path, {})
