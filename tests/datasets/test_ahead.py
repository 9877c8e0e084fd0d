"""Decoding ahead changes nothing: order, errors, and no thread is left."""

from __future__ import annotations

import threading
import time

import pytest

from labelmint.datasets import ahead as module
from labelmint.datasets.ahead import ahead
from labelmint.errors import InputError


@pytest.fixture(params=[1, 4])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module, "cores", lambda: request.param)
    count: int = request.param
    return count


def test_pairs_come_in_their_order_however_long_each_takes(workers: int) -> None:
    names = [str(k) for k in range(30)]

    def load(name: str) -> str:
        time.sleep(0.002 * (int(name) % 3))
        return name * 2

    assert [*ahead(load, names)] == [name * 2 for name in names]
    assert [*ahead(load, [])] == []


def test_the_first_error_in_that_order_is_raised_after_what_is_before_it(workers: int) -> None:
    def load(name: str) -> str:
        if name in "cd":
            raise InputError(f"bad {name}")
        return name

    found = []
    with pytest.raises(InputError, match="bad c"):
        for one in ahead(load, "abcdef"):
            found.append(one)
    assert found == ["a", "b"]


def test_few_are_loaded_before_they_are_asked_for_and_no_thread_stays(workers: int) -> None:
    loaded: list[str] = []
    before = threading.active_count()
    some = ahead(lambda name: loaded.append(name), [str(k) for k in range(100)])
    next(some)
    time.sleep(0.05)
    assert len(loaded) <= 2 * workers + 1
    some.close()
    assert threading.active_count() == before
