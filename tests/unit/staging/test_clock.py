from __future__ import annotations

import datetime
import time

import pytest

from mongoshot.staging.clock import Clock, Span


def test_a_clock_goes_on_when_time_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    assert abs(clock.now() - time.time() * 1000) < 1000
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    monkeypatch.setattr(time, "perf_counter_ns", lambda: 0)
    before = clock.now()
    time.sleep(0.01)
    assert clock.now() > before > 1_700_000_000_000


def test_a_span_by_another_clock_allows_for_the_time_that_asking_took() -> None:
    shown = datetime.datetime(1970, 1, 1, 0, 1)  # 60,000 ms, an hour behind or not
    span = Span(1_000, 2_000).by(shown, Span(1_990, 2_010))
    assert span == Span(1_000 + 60_000 - 2_010, 2_000 + 60_000 - 1_990)
    aware = shown.replace(tzinfo=datetime.UTC)
    assert Span(1_000, 2_000).by(aware, Span(1_990, 2_010)) == span
