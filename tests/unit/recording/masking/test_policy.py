from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mongoshot.config import MaskingTable, read_project
from mongoshot.errors import UsageError
from mongoshot.recording.masking.key import fingerprint, load_key
from mongoshot.recording.masking.policy import make_policy


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("customers.email", "is no rule; write a path and a mask: --mask customers.email=email"),
        ("customers..email=email", "is no path, from character 10 on"),
        ("c.a=emial", "there is no mask 'emial': did you mean email"),
        ("c.a=xyzzy", "there is no mask 'xyzzy': there are email, name, first-name"),
        ("c.a=email:domain", "the mask email takes keep-domain"),
        ("c.a=redact:x", "the mask redact takes nothing behind a colon"),
        ("c.a=redact:", "the mask redact takes nothing behind a colon"),
        ("c.a=shift-date:30", "is no number of days: write shift-date:30d"),
        ("c.a=shift-date:0d", "is no number of days"),
        ("c.a=name:de_XX", "Faker has no locale 'de_XX': did you mean"),
        ("c.a=name:de_DE:fr_FR", "takes a locale and unique, as in name:de_DE:unique"),
        ("c.a=python:nothing", "write python:package.module:function"),
        ("c.a=python:no.such:f", "cannot be imported: ModuleNotFoundError"),
        ("c.a=python:os:environ", "is a _Environ, not a callable"),
    ],
)
def test_a_bad_rule_says_what_to_write(flag: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_policy(MaskingTable(), [flag])
    assert said in str(caught.value)
    assert str(caught.value).startswith("--mask")
    assert "\n" not in str(caught.value)


def test_one_path_has_one_mask() -> None:
    with pytest.raises(UsageError, match=r"--mask gives c\.a two masks, email and hash"):
        make_policy(MaskingTable(), ["c.a=email", "c.a=hash"])
    both = make_policy(MaskingTable(rules=(("c.a", "email"),)), ["c.a=hash", "c.a=hash"])
    assert [str(rule) for rule in both.rules] == ["c.a=hash", "c.a=hash", "c.a=email"]
    with pytest.raises(UsageError, match=r"has no policy 'denny': did you mean deny\?"):
        make_policy(MaskingTable(policy="denny"))


def test_without_faker_the_others_still_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faker", None)
    assert make_policy(MaskingTable(), ["c.a=email"]).needs_key
    assert not make_policy(MaskingTable(), ["c.a=redact"]).needs_key
    with pytest.raises(UsageError, match=r"pip install 'mongoshot\[masking\]'"):
        make_policy(MaskingTable(), ["c.a=name"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("masking = 1", "tool.mongoshot.masking should be a table"),
        ("masking.polciy = 'deny'", "has no key 'polciy'; it takes policy and rules"),
        ("masking.policy = true", 'takes a policy of "allow" or "deny"'),
        ("masking.rules = ['a']", 'takes rules as a table: "customers.email" = "email"'),
        ("masking.rules.c.a = 5", "the rule of c.a should be the name of a mask"),
    ],
)
def test_a_bad_table_says_what_it_takes(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.mongoshot]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        read_project(tmp_path, {})
    assert said in str(caught.value)


def test_rules_may_be_written_without_quotes(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.mongoshot.masking.rules]\n"
        'customers.email = "email"\n"orders.items[].name" = "text"\ncustomers.phone = "phone"\n'
    )
    table = read_project(tmp_path, {}).masking
    assert set(table.rules) == {
        ("customers.email", "email"),
        ("customers.phone", "phone"),
        ("orders.items[].name", "text"),
    }
    make_policy(table)


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    key = load_key(tmp_path, {})
    file = tmp_path / ".mongoshot" / "masking.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".mongoshot" / ".gitignore").read_text().endswith("\n*\n")
    assert load_key(tmp_path, {}) == key
    # The text of the file, in the environment of another machine, is the same key.
    text = file.read_text()
    assert load_key(tmp_path / "elsewhere", {"MONGOSHOT_MASKING_KEY": text}) == key
    assert not (tmp_path / "elsewhere").exists()
    assert len(key) == 32
    assert fingerprint(key) not in text
    other = load_key(tmp_path / "other", {})
    assert other != key
    assert fingerprint(other) != fingerprint(key)
    assert [each.name for each in file.parent.iterdir() if each.name.endswith(".partial")] == []


def test_a_bad_key_is_told_without_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="should hold a key of 16 characters or more, not 6") as e:
        load_key(tmp_path, {"MONGOSHOT_MASKING_KEY": "hunter"})
    assert "hunter" not in str(e.value)
    load_key(tmp_path, {})
    file = tmp_path / ".mongoshot" / "masking.key"
    file.chmod(0o644)
    with pytest.raises(UsageError, match="may be read by others; chmod 600"):
        load_key(tmp_path, {})
    file.unlink()
    file.mkdir()
    with pytest.raises(UsageError, match=r"masking\.key: Is a directory"):
        load_key(tmp_path, {})
