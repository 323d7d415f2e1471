"""No password, token or masked value comes out anywhere, whatever is run and however it fails."""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import bson
import click
import psutil
import pymongo
import pytest
from tests.inner import without_plugins
from tests.reliability import Evidence

from mongoshot import capture
from mongoshot.server.connection import Client

from .conftest import StartMongod

#: The module, whose name in its package is that of the function in it.
command_line = importlib.import_module("mongoshot.cli.main")

#: In every form of a secret but base64, and nowhere else.
MARK = "Qzx7J"
PASSWORD = f"pa55-{MARK}-@:/?#[%40 é&=+"
WRONG = f"wrong-{MARK}-@/"
TOKEN = f"tok/{MARK}=="
KEY = f"key-of-masks-{MARK}"
EMAIL = f"{MARK.lower()}.person@example.org"


def forms(mark: str) -> list[bytes]:
    """Give what a text looks like wherever it begins in base64, and as it is."""
    raw = mark.encode()
    encoded = [base64.b64encode(b"x" * at + raw)[(4 * at + 2) // 3 : -4] for at in range(3)]
    return [raw, raw.upper(), raw.lower(), *(each for each in encoded if len(each) > 5)]


class Watch:
    """Look for secrets in whatever came out, and count what was looked at."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.looked_at = 0
        self.size = 0

    def look(self, where: str, content: bytes | str) -> None:
        content = (
            content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        )
        self.looked_at += 1
        self.size += len(content)
        for form in forms(MARK):
            at = content.find(form)
            assert at < 0, f"{where}: {content[max(0, at - 300) : at + 100]!r}"

    def look_at_files(self, *directories: Path) -> None:
        for directory in directories:
            for path in directory.rglob("*"):
                self.look(str(path), path.name)
                if path.is_file() and path.name not in KNOWING:
                    self.look(str(path), path.read_bytes())

    def look_at_server(self, client: Client) -> None:
        for name in client.list_database_names():
            if name.startswith("mongoshot"):
                for collection in client[name].list_collection_names():
                    for document in client[name][collection].find():
                        self.look(f"{name}.{collection}", bson.encode(document))


#: Files of the tests themselves, which have the secret so that it can come out.
KNOWING = ("pytest.ini", "pytest.ini.urls", "program.py")


@pytest.fixture(scope="module")
def guarded(start_guarded_mongod: StartMongod) -> str:
    return start_guarded_mongod(PASSWORD)


@pytest.fixture
def url(guarded: str) -> str:
    password = quote(PASSWORD, safe="")
    return f"mongodb://root:{password}@{guarded}/shop?authSource=admin&directConnection=true"


@pytest.fixture
def client(guarded: str) -> Iterator[Client]:
    """Give a client, and a database `shop` with an address in it that masks hide."""
    client: Client = pymongo.MongoClient(
        guarded, username="root", password=PASSWORD, directConnection=True
    )
    with client:
        shop = client["shop"]
        shop["people"].insert_many(
            [
                {"_id": number, "email": f"{number}{EMAIL}", "name": "A Person", "n": number}
                for number in range(20)
            ]
        )
        shop["people"].create_index("email", name="by_email")
        yield client
        for name in client.list_database_names():
            if name not in ("admin", "local", "config"):
                client.drop_database(name)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a directory of a user's, whose captures mask the address."""
    home = tmp_path / "project"
    home.mkdir()
    (home / "pyproject.toml").write_text(
        '[tool.mongoshot.masking]\nrules."people.email" = "email"\n', encoding="utf-8"
    )
    for name in ("DB_URL", "DB_NAME", "SNAPSHOTS_PATH", "CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MONGOSHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MONGOSHOT_MASK_KEY", KEY)
    monkeypatch.setenv("PYTEST_ADDOPTS", without_plugins())
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def watch(project: Path) -> Watch:
    return Watch(project)


Typed = tuple[list[str], int]

#: What is typed, in this order, and its exit status, by command. A new command fails the test below
#: until it stands here.
COMMANDS: dict[str, list[Typed]] = {
    "capture": [
        (["people", "--dry-run"], 0),
        (["people"], 0),
        (["people", "--replace", "--yes"], 0),
        (["people"], 2),
        (["leaky", "--db-name", "leaky"], 2),
        (["chosen", "--query", 'people={"n": 3}', "--mask", "people.name=name"], 0),
        (["people", "--mask", "people.email=nonsense"], 2),
    ],
    "list": [([], 0)],
    "show": [(["people"], 0), (["peopel"], 2)],
    "verify": [(["people"], 0)],
    "check": [(["people"], 0), (["people", "--json"], 0), (["peopel"], 2)],
    "restore": [
        (["people", "--db-name", "shop_test"], 0),
        (["people", "--db-name", "shop_test", "--dry-run"], 0),
        (["people"], 2),
    ],
    "diff": [
        (["people", "URL/shop_test"], 0),
        (["people", "URL/shop_test", "--html", "page.html"], 0),
        (["people", "URL/no_such"], 2),
        (["chosen", "people", "--json"], 1),
    ],
    "record": [
        (["recorded", "--", sys.executable, "program.py"], 0),
        (["again", "--", sys.executable, "-c", "raise SystemExit(3)"], 2),
        (["again", "--", "no_such_program"], 2),
    ],
    "watch": [(["--collection", "people", "--json"], 0)],
    "convert": [(["people", "--format", "bson"], 0)],
    "export": [(["people", "dumped"], 0), (["people", "a.archive", "--archive", "--gzip"], 0)],
    "import": [(["dumped", "imported"], 0), (["no_such", "imported"], 2)],
    "adopt": [(["shop_test", "--yes"], 0), (["admin", "--yes"], 2)],
    "disown": [(["shop_test"], 0)],
    "pending": [([], 0), (["--json"], 0)],
    "review": [([], 2)],
    "accept": [(["no_such"], 2)],
    "reject": [(["--all"], 0)],
    "server": [([], 0)],
    "demo": [([], 0)],
}

#: Those that run until they are interrupted, and what they say first.
ENDLESS = {"watch", "server"}
PROGRAM = """\
import os, pymongo
client = pymongo.MongoClient(os.environ["DB_URL"])
people = client[os.environ["DB_NAME"]]["people"]
people.update_one({"_id": 1}, {"$inc": {"n": 1}, "$set": {"email": "now1%s"}})
people.insert_one({"_id": 77, "email": "new77%s"})
people.delete_one({"_id": 2})
"""


def test_every_command_is_looked_at() -> None:
    assert COMMANDS.keys() == command_line.cli.commands.keys()


@pytest.mark.long
@pytest.mark.reliability
def test_commands_that_work_keep_secrets(
    url: str, client: Client, project: Path, watch: Watch, tmp_path: Path, evidence: Evidence
) -> None:
    (project / "program.py").write_text(PROGRAM % (EMAIL, EMAIL), encoding="utf-8")
    client["leaky"]["a"].insert_one({"_id": 1, "pem": f"-----BEGIN PRIVATE KEY-----\n{MARK}"})
    typed = 0
    for command, lines in COMMANDS.items():
        for words, status in lines:
            if command == "restore" and words == ["people"]:
                variables = {"DB_URL": url, "DB_NAME": "shop"}
            else:
                variables = {"DB_URL": url, "SCENARIO_SOURCE_URL": url}
            words = [word.replace("URL", url.split("/shop")[0]) for word in words]
            words = [f"{w}?authSource=admin" if w.startswith("mongodb:") else w for w in words]
            done = run_command([command, *words], variables, ends=command not in ENDLESS)
            typed += 1
            said = done.stdout + done.stderr
            watch.look(f"{command} {words}", said)
            assert done.returncode == status or command in ENDLESS, (command, words, done)
    watch.look_at_files(project, tmp_path / "cache")
    watch.look_at_server(client)
    evidence(
        "secrets",
        "every command with a marked password, masking key and masked address",
        f"{typed} commands",
        f"none in {watch.looked_at:,} outputs, files and documents of the ledger",
    )


def run_command(
    words: list[str], variables: dict[str, str], *, ends: bool = True
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "mongoshot", *words]
    with subprocess.Popen(
        command,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        if not ends:
            time.sleep(2)
            titles = b"".join(titles_below(program.pid))
            program.send_signal(signal.SIGINT)
        output, errors = program.communicate(timeout=120)
        if not ends:
            errors += titles
    return subprocess.CompletedProcess(command, program.returncode, output, errors)


def titles_below(pid: int) -> Iterator[bytes]:
    """Give what a list of processes shows of those that a process has started."""
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            yield " ".join(child.cmdline()).encode() + b"\n"


#: URLs that do not work, by why not; HOST is that of a server, CLOSED nobody's.
REFUSED = {
    "wrong password": f"mongodb://root:{quote_plus(WRONG)}@HOST/shop?authSource=admin",
    "wrong source": f"mongodb://root:{quote_plus(PASSWORD)}@HOST/shop?authSource=shop",
    "unreachable": f"mongodb://root:{quote_plus(PASSWORD)}@CLOSED/shop?serverSelectionTimeoutMS=50",
    "no TLS there": f"mongodb://root:{quote_plus(PASSWORD)}@HOST/shop?tls=true"
    "&serverSelectionTimeoutMS=300",
    "not escaped": f"mongodb://root:{PASSWORD}@HOST/shop",
    "cut": f"mongodb://root:{PASSWORD}",
    "no port": f"mongodb://root:pa55:{MARK}@HOST/shop",
    "half escaped": f"mongodb://root:pa55%zz{MARK}@HOST/shop",
    "unknown option": f"mongodb://root:x@HOST/shop?secret={MARK}",
    "misspelled option": f"mongodb://root:x@HOST/shop?tlsCertificateKeyFilePasword={MARK}",
    "key of TLS": "mongodb://HOST/shop?tls=true&tlsCertificateKeyFile=none.pem"
    f"&tlsCertificateKeyFilePassword={MARK}&serverSelectionTimeoutMS=50",
    "token": "mongodb://HOST/shop?authMechanism=MONGODB-AWS&authMechanismProperties="
    f"AWS_SESSION_TOKEN:{quote_plus(TOKEN)}",
    "token elsewhere": f"mongodb://HOST/shop?authMechanismProperties=x:{MARK},{MARK}",
    "no database": f"mongodb://root:{quote_plus(PASSWORD)}@HOST/?authSource=admin",
    "password as database": f"mongodb://root:pa/{MARK}.x",
    "SRV": f"mongodb+srv://root:{MARK}%40@nowhere.invalid/shop?serverSelectionTimeoutMS=50",
    "SRV with a port": f"mongodb+srv://root:{MARK}@a.nowhere.invalid:{MARK}/",
    "another scheme": f"postgres://root:{MARK}@HOST/shop",
    "no scheme": f"root:{MARK}@HOST/shop",
    "proxy": f"mongodb://HOST/shop?proxyHost=127.0.0.1&proxyPort=1&proxyUsername=u"
    f"&proxyPassword={MARK}&serverSelectionTimeoutMS=50",
}


@pytest.mark.reliability
@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
def test_urls_that_do_not_work_keep_secrets(
    guarded: str,
    project: Path,
    watch: Watch,
    tmp_path: Path,
    debug: bool,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    evidence: Evidence,
) -> None:
    monkeypatch.setattr(command_line, "prepare", lambda: None)
    refused = 0
    for why, pattern in REFUSED.items():
        named = pattern.replace("HOST", guarded).replace("CLOSED", "127.0.0.1:9")
        slow = "nowhere" in named
        for words in [["capture", "x"], *([] if slow else OTHER_COMMANDS)]:
            told = [word.replace("URL", named) for word in words]
            monkeypatch.setenv("DB_URL", named)
            monkeypatch.setenv("SCENARIO_SOURCE_URL", named)
            monkeypatch.setattr(sys, "argv", ["mongoshot", *(["--debug"] * debug), *told])
            status = command_line._run(debug=debug)
            output = capfdbinary.readouterr()
            watch.look(f"{why}: {words}", output.out + output.err)
            assert status in (1, 2), (why, words, output)
            refused += 1
    watch.look_at_files(project, *[path for path in (tmp_path / "cache",) if path.exists()])
    evidence(
        "secrets",
        f"commands with URLs that do not work{', with --debug' if debug else ''}",
        f"{refused} commands, {len(REFUSED)} URLs",
        f"no secret in {watch.looked_at:,} outputs and files",
    )


#: One for each way in which a command takes a URL.
OTHER_COMMANDS = [["watch"], ["adopt", "admin", "--yes"], ["diff", "URL", "URL"]]


def commands_with_urls() -> set[str]:
    def takes(command: click.Command) -> bool:
        return any(parameter.name == "db_url" for parameter in command.params)

    return {name for name, each in command_line.cli.commands.items() if takes(each)}


WITHIN = """
import json
import pathlib

import mongoshot
import pytest
from mongoshot.server.connection import connect
from mongoshot.server.urls import Url

BAD = [Url(each) for each in json.loads(pathlib.Path("pytest.ini.urls").read_text())]

@pytest.mark.scenario("people")
def test_changes(db, db_url, mongo_client, db_changes, db_snapshot, staged):
    db["people"].update_one({"_id": 1}, {"$set": {"n": 9}})
    assert db_changes == db_snapshot

@pytest.mark.scenario("people")
def test_state(db, db_state, db_snapshot):
    assert db_state == db_snapshot

@pytest.mark.scenario("people")
def test_inline(db, db_changes, request):
    settings = request.getfixturevalue("_mongoshot_settings")
    db["people"].update_one({"_id": 1}, {"$set": {"n": 9}})
    assert db_changes.updated == {}

@pytest.mark.scenario("no_such")
def test_missing(db):
    pass

def test_print(db_url, mongo_client, db):
    print(repr(db_url), mongo_client, db, [db_url])
    raise RuntimeError(repr(mongo_client))

@pytest.mark.parametrize("at", range(len(BAD)))
def test_connecting(at):
    connect(BAD[at])

@pytest.mark.parametrize("at", range(len(BAD)))
def test_opening(at):
    with mongoshot.open_stage(BAD[at], "inner"):
        pass
"""
VERBOSE = ["-vv", "--showlocals", "--tb=long", "--junitxml=junit.xml", "-rA"]


@pytest.mark.long
@pytest.mark.reliability
def test_runs_of_pytest_keep_secrets(
    guarded: str,
    url: str,
    client: Client,
    project: Path,
    watch: Watch,
    tmp_path: Path,
    evidence: Evidence,
) -> None:
    capture(client["shop"], project / "snapshots" / "people", mask={"people.email": "email"})
    bad = [
        pattern.replace("HOST", guarded).replace("CLOSED", "127.0.0.1:9")
        for why, pattern in REFUSED.items()
        if "SRV" not in why and why != "no database"
    ]
    (project / "test_secrets_within.py").write_text(WITHIN, encoding="utf-8")
    (project / "pytest.ini.urls").write_text(json.dumps(bad), encoding="utf-8")
    server = url.replace("/shop?", "/?")
    runs: list[tuple[list[str], dict[str, str], str]] = [
        (VERBOSE, {"DB_URL": server}, ""),
        (["--mongoshot-report=report.html"], {"DB_URL": server}, ""),
        (["--snapshot-update", f"--db-url={server}"], {}, ""),
        ([*VERBOSE, "-n2"], {}, f"db-url = {server}"),
        (["--setup-show", "--durations=3", "-l"], {"DB_URL": server}, ""),
        (
            ["--scenario-record=once", "-l", "-k", "missing"],
            {"DB_URL": server, "SCENARIO_SOURCE_URL": bad[0]},
            "",
        ),
        (
            ["--scenario-record=rewrite", "-l", "-k", "changes"],
            {"DB_URL": server, "SCENARIO_SOURCE_URL": url},
            "",
        ),
        *[([*VERBOSE, "-k", "changes or print"], {"DB_URL": each}, "") for each in bad],
    ]
    for options, variables, ini in runs:
        (project / "pytest.ini").write_text(f"[pytest]\n{ini}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
        done = subprocess.run(
            [*command, "test_secrets_within.py"],
            env=os.environ | variables,
            check=False,
            capture_output=True,
            timeout=120,
        )
        # What is tested has the URLs in it, and pytest shows its lines and its own values.
        output = done.stdout + done.stderr
        watch.look(f"pytest {options}", output)
        assert done.returncode in (0, 1), output
    watch.look_at_files(project, tmp_path / "cache")
    watch.look_at_server(client)
    evidence(
        "secrets",
        "runs of pytest with a marked password, -vv --showlocals --tb=long, in success and failure",
        f"{len(runs)} runs",
        f"none in {watch.looked_at:,} outputs, files and documents of the ledger",
    )


def modes(directory: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.iterdir())}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_who_may_read_what_a_password_was_needed_for(
    client: Client, project: Path, mongo_client: Client
) -> None:
    umask = os.umask(0o022)
    try:
        shop = client["shop"]
        mask = {"people.email": "email"}
        private = capture(shop, project / "snapshots" / "private", mask=mask)
        assert modes(private.path) == {0o700, 0o600}
        shared = capture(shop, project / "snapshots" / "shared", mask=mask, shared=True)
        assert modes(shared.path) == {0o755, 0o644}
        shop["people"].insert_one({"_id": "new"})

        # Captured anew, each is read by those who could read it before.
        for before, expected in ((private, {0o700, 0o600}), (shared, {0o755, 0o644})):
            again = capture(shop, before.path, mask=mask, replace=True)
            assert again.manifest.revision == 2
            assert modes(before.path) == expected

        (project / "pyproject.toml").write_text("[tool.mongoshot]\nshared = true\n", "utf-8")
        told = capture(shop, project / "snapshots" / "told", mask=mask)
        assert modes(told.path) == {0o755, 0o644}

        open_source = mongo_client[f"t_{os.getpid()}_open"]
        open_source["a"].insert_one({})
        free = capture(open_source, project / "snapshots" / "free")
        assert modes(free.path) == {0o755, 0o644}
        mongo_client.drop_database(open_source)
    finally:
        os.umask(umask)
