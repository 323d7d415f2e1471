"""Options from flags, environment, ini file and `[tool.mongoshot]`, as one frozen value."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from mongoshot.errors import UsageError

DEFAULT_URL = "mongodb://127.0.0.1:27017"
DEFAULT_DATABASE = "test_db"
DEFAULT_SNAPSHOTS = "snapshots"
DEFAULT_TEMPLATES = "tests/templates"
DEFAULT_SCENARIO_DATABASES = "4"
DEFAULT_NATURAL_ORDER = "small"

#: The directory beside a test module that its expectations are in.
EXPECTATIONS = "__expectations__"

#: "exact": documents come back to their place in natural order, whatever it costs; "small": where
#: it costs about as much as to put back the document alone.
NaturalOrder = Literal["small", "exact"]

#: What becomes of a scenario that a test needs: "none": it is there, or that is an error; "once":
#: one that is missing is captured; "rewrite": it is captured anew, and kept if the tests pass.
RecordMode = Literal["none", "once", "rewrite"]


@dataclass(frozen=True, slots=True)
class Option:
    """Describe one option that flag, ini key and environment variable share.

    `key` is the ini key, and with `--` before it the flag; `environment` the variable's name.
    """

    key: str
    environment: str
    default: str | None
    help: str


OPTIONS = (
    Option(
        "db-url",
        "DB_URL",
        None,
        "MongoDB to run the tests on; default: an embedded mongod where one can be found,"
        f" else {DEFAULT_URL}",
    ),
    Option(
        "db-name",
        "DB_NAME",
        DEFAULT_DATABASE,
        "database that tests get, and that mongoshot overwrites before each;"
        " xdist workers add their own name to it",
    ),
    Option(
        "templates-path",
        "TEMPLATES_PATH",
        DEFAULT_TEMPLATES,
        "directory of the templates of `scenario_builder`, counted from pytest's rootdir",
    ),
    Option(
        "snapshots-path",
        "SNAPSHOTS_PATH",
        DEFAULT_SNAPSHOTS,
        "directory of the scenarios, counted from pytest's rootdir",
    ),
    Option(
        "scenario-databases",
        "SCENARIO_DATABASES",
        DEFAULT_SCENARIO_DATABASES,
        "how many scenarios stay staged side by side, each in a database of its own"
        f" (default {DEFAULT_SCENARIO_DATABASES}); with 1, all share --db-name, and a change of"
        " scenario loads",
    ),
    Option(
        "natural-order",
        "NATURAL_ORDER",
        DEFAULT_NATURAL_ORDER,
        "which collections get deleted documents back in their place in natural order:"
        " 'small' ones (default), or all of them, 'exact'",
    ),
    Option(
        "scenario-record",
        "SCENARIO_RECORD",
        "none",
        "capture scenarios from the source: 'once', those that are missing; 'rewrite', all that"
        " tests use, kept if these pass; 'none' (default)",
    ),
    Option(
        "scenario-source-url",
        "SCENARIO_SOURCE_URL",
        None,
        "MongoDB that scenario-record captures from; only read",
    ),
    Option(
        "scenario-source-name",
        "SCENARIO_SOURCE_NAME",
        None,
        "database there; default: the one in the URL",
    ),
)


@dataclass(frozen=True, slots=True)
class MaskingTable:
    """Hold what `[tool.mongoshot.masking]` says, as it is written there; `file` is where.

    `rules` are pairs of a path and a mask, in their order. `recording.masking.policy` reads both.
    """

    file: str = field(default="pyproject.toml", compare=False)
    policy: str = "allow"
    rules: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """Hold what `[tool.mongoshot]` in pyproject.toml says, which is under version control.

    `allowed_hosts` are hosts (`name` or `name:port`) besides loopback that mongoshot may write to;
    `mongod` is the binary of the embedded server; `masking` says what captures mask; `shared` lets
    others on the machine read what is captured from a source with a password.
    """

    root: Path
    allowed_hosts: frozenset[str] = frozenset()
    mongod: Path | None = None
    masking: MaskingTable = MaskingTable()
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold every option, decided.

    `db_url` is None where an embedded mongod is to be used, `scenario_source_url` and
    `scenario_source_name` where nothing says what to capture from. `scenario_record_said` names
    what the mode of recording is from: a flag, a variable, an ini key, "" for the default. Where
    `db_name` was not given, but is the default, another will do.
    """

    db_url: str | None = field(repr=False)
    db_name: str
    snapshots_path: Path
    project: Project
    templates_path: Path = Path(DEFAULT_TEMPLATES)
    scenario_databases: int = int(DEFAULT_SCENARIO_DATABASES)
    natural_order: NaturalOrder = "small"
    scenario_record: RecordMode = "none"
    scenario_record_said: str = ""
    scenario_source_url: str | None = field(default=None, repr=False)
    scenario_source_name: str | None = None
    db_name_is_given: bool = True


def resolve(
    flags: Mapping[str, str | None],
    *,
    root: Path,
    environment: Mapping[str, str] = os.environ,
    ini: Mapping[str, str | None] | None = None,
) -> Settings:
    """Decide every option: flag before environment before ini before default.

    Takes the flags and ini keys by the options' keys, None where not given; relative paths count
    from `root`. Raises UsageError for an empty or impossible value and for a bad
    `[tool.mongoshot]` table.
    """
    values: dict[str, str | None] = {}
    said: dict[str, str] = {}
    for option in OPTIONS:
        sources = {
            f"--{option.key}": flags.get(option.key),
            f"the environment variable {option.environment}": environment.get(option.environment),
            f"the ini key {option.key}": (ini or {}).get(option.key),
        }
        given = {where: value for where, value in sources.items() if value is not None}
        for where, value in given.items():
            if not value:
                raise UsageError(f"{where} is empty; give it a value or leave it out")
        said[option.key] = next(iter(given), "")
        values[option.key] = next(iter(given.values()), option.default)
    return Settings(
        db_url=values["db-url"],
        db_name=values["db-name"] or DEFAULT_DATABASE,
        snapshots_path=root / (values["snapshots-path"] or DEFAULT_SNAPSHOTS),
        project=read_project(root, environment),
        templates_path=root / (values["templates-path"] or DEFAULT_TEMPLATES),
        scenario_databases=_whole_number("scenario-databases", values["scenario-databases"]),
        natural_order=_natural_order(values["natural-order"]),
        scenario_record=record_mode(said["scenario-record"], values["scenario-record"]),
        scenario_record_said=said["scenario-record"],
        scenario_source_url=values["scenario-source-url"],
        scenario_source_name=values["scenario-source-name"],
        db_name_is_given=bool(said["db-name"]),
    )


def _whole_number(key: str, value: str | None) -> int:
    if value is None or not value.isascii() or not value.isdigit() or int(value) < 1:
        raise UsageError(f"{key} should be a whole number from 1 on, not {value!r}")
    return int(value)


def _natural_order(value: str | None) -> NaturalOrder:
    if value == "small":
        return "small"
    if value == "exact":
        return "exact"
    raise UsageError(f"natural-order should be small or exact, not {value!r}")


def record_mode(where: str, value: object) -> RecordMode:
    """Return a mode of recording that `where` says; raises UsageError, with those there are."""
    if value in get_args(RecordMode):
        return value  # type: ignore[return-value]
    *others, last = get_args(RecordMode)
    raise UsageError(f"{where} should be {', '.join(others)} or {last}, not {value!r}")


def read_project(start: Path, environment: Mapping[str, str] = os.environ) -> Project:
    """Read `[tool.mongoshot]` of the nearest pyproject.toml at or above `start`.

    `MONGOSHOT_MONGOD` in the environment names the mongod binary before the table does; the allowed
    hosts come from the file alone. Raises UsageError for an unknown key or a value of another type.
    """
    import tomllib  # here, because the plugin imports this module at every start of pytest

    start = start.absolute()
    configured = environment.get("MONGOSHOT_MONGOD") or None
    for directory in (start, *start.parents):
        file = directory / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} is not TOML: {error}") from None
        except RecursionError:
            raise UsageError(
                f"{file} is not TOML: its values lie too deep within each other"
            ) from None
        except OSError as error:
            raise UsageError(f"cannot read {file}: {error.strerror}; make it readable") from None
        tool = table.get("tool", {})
        found = tool.get("mongoshot", {}) if isinstance(tool, dict) else tool
        if not isinstance(found, dict):
            raise UsageError(f"{file}: tool.mongoshot should be a table, [tool.mongoshot]")
        if unknown := set(found) - {"allowed-hosts", "masking", "mongod", "shared"}:
            raise UsageError(
                f"{file}: [tool.mongoshot] has no key {min(unknown)!r};"
                " it takes allowed-hosts, masking, mongod and shared"
            )
        hosts, mongod = found.get("allowed-hosts", []), found.get("mongod")
        if not isinstance(hosts, list) or not all(isinstance(host, str) and host for host in hosts):
            raise UsageError(f"{file}: allowed-hosts should be a list of host names")
        if mongod is not None and not (isinstance(mongod, str) and mongod):
            raise UsageError(f"{file}: mongod should be the path of a mongod")
        if not isinstance(shared := found.get("shared", False), bool):
            raise UsageError(f"{file}: shared should be true or false")
        mongod = configured or mongod
        masking = _masking(file, found.get("masking", {}))
        binary = directory / mongod if mongod else None
        return Project(directory, frozenset(hosts), binary, masking, shared)
    return Project(start, mongod=start / configured if configured else None)


def _masking(file: Path, table: object) -> MaskingTable:
    where = f"{file}: [tool.mongoshot.masking]"
    if not isinstance(table, dict):
        raise UsageError(f"{file}: tool.mongoshot.masking should be a table, {where[-24:]}")
    if unknown := set(table) - {"policy", "rules"}:
        raise UsageError(f"{where} has no key {min(unknown)!r}; it takes policy and rules")
    policy, rules = table.get("policy", "allow"), table.get("rules", {})
    if not isinstance(policy, str):
        raise UsageError(f'{where} takes a policy of "allow" or "deny"')
    if not isinstance(rules, dict):
        raise UsageError(f'{where} takes rules as a table: "customers.email" = "email"')
    return MaskingTable(str(file), policy, tuple(_rules(where, "", rules)))


def _rules(where: str, above: str, table: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Read rules; without quotes, TOML makes tables within each other of `customers.email`."""
    for key, value in table.items():
        path = f"{above}.{key}" if above else key
        if isinstance(value, dict):
            yield from _rules(where, path, value)
        elif isinstance(value, str):
            yield path, value
        else:
            raise UsageError(f'{where}: the rule of {path} should be the name of a mask, "email"')
