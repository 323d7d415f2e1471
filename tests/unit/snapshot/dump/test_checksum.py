"""CRC-64/XZ, verified and computed in each way that there is, is what its definition says."""

from __future__ import annotations

import random
import sys

import pytest

from mongoshot.errors import DumpError
from mongoshot.snapshot.dump import checksum
from mongoshot.snapshot.dump.checksum import Checksum, Verification

from .by_hand import crc64

SAMPLES = [b"", b"1", b"123456789", bytes(65536), random.Random(1).randbytes(200_001)]


@pytest.mark.parametrize("sample", SAMPLES, ids=len)
@pytest.mark.parametrize("with_liblzma", [True, False])
def test_it_is_computed(sample: bytes, with_liblzma: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not with_liblzma:
        monkeypatch.setattr(checksum, "_liblzma", lambda: None)
    computed = Checksum()
    computed.update(sample[:77_777])
    computed.update(sample[77_777:])
    assert computed.value() == crc64(sample)


@pytest.mark.parametrize("sample", SAMPLES, ids=len)
def test_it_is_verified(sample: bytes) -> None:
    right = crc64(sample)
    for claimed, expected in ((right, True), (right ^ 1, False), (right ^ 1 << 63, False)):
        verification = Verification()
        verification.update(sample[:3])
        verification.update(sample[3:])
        assert verification.matches(claimed) is expected


def test_the_fixture_computes_the_published_check_value() -> None:
    # https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-64-xz
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA


def test_a_python_without_lzma_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lzma", None)
    with pytest.raises(DumpError, match="no module lzma"):
        Verification()
