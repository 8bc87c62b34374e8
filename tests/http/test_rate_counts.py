"""Counting in windows of a minute, here and in Redis."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from webapp.errors import ConfigError
from webapp.http import rate_limits as rates
from webapp.http.rate_limits import Rates


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Redis of its own: its address and its process."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    pytest.importorskip("redis", reason="the Python package redis is not installed")
    port = free_port()
    command = [
        program,
        "--port",
        str(port),
        "--save",
        "",
        "--dir",
        str(tmp_path),
        "--loglevel",
        "notice",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert any(b"eady to accept connections" in line for line in process.stdout)
        yield f"redis://127.0.0.1:{port}", process
        process.kill()


def test_it_counts_down_to_nothing_and_then_refuses() -> None:
    counts = Rates()
    uses = [counts.take("photos", "a", 3) for _ in range(4)]
    assert [use.remaining for use in uses] == [2, 1, 0, 0]
    assert [use.exceeded for use in uses] == [False, False, False, True]
    assert all(0 < use.reset <= 60 for use in uses)


def test_each_name_and_sender_has_its_own_count() -> None:
    counts = Rates()
    assert counts.take("photos", "a", 1).exceeded is False
    assert counts.take("photos", "b", 1).exceeded is False
    assert counts.take("requests", "a", 1).exceeded is False


def test_many_at_once_cost_as_many() -> None:
    counts = Rates()
    assert counts.take("photos", "a", 100, cost=60).remaining == 40
    assert counts.take("photos", "a", 100, cost=60).exceeded


def test_more_than_a_whole_minute_allows_passes_when_nothing_else_was_sent() -> None:
    assert Rates().take("photos", "a", 10, cost=50).exceeded is False


def test_threads_do_not_lose_a_count() -> None:
    counts = Rates()
    threads = [
        threading.Thread(target=lambda: [counts.take("photos", "a", 5000) for _ in range(200)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts.take("photos", "a", 5000).remaining == 5000 - 1601


def test_two_processes_share_their_counts_in_redis(
    redis: tuple[str, subprocess.Popen[bytes]],
) -> None:
    first, second = Rates(redis[0]), Rates(redis[0])
    assert first.take("photos", "a", 3, cost=2).remaining == 1
    use = second.take("photos", "a", 3)
    assert (use.remaining, use.exceeded) == (0, False)
    assert 0 < use.reset <= 60
    assert first.take("photos", "a", 3).exceeded


def test_while_redis_is_away_a_process_counts_alone(
    redis: tuple[str, subprocess.Popen[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    counts = Rates(redis[0])
    counts.take("photos", "a", 3)
    redis[1].kill()
    redis[1].wait()
    assert [counts.take("photos", "a", 2).exceeded for _ in range(3)] == [False, False, True]
    assert caplog.text.count("counts alone") == 1


def test_it_asks_redis_again_after_a_pause(
    redis: tuple[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "PAUSE", 0.0)
    counts, other = Rates(redis[0]), Rates(redis[0])
    counts._local_until = float("inf")
    assert counts.take("photos", "a", 9).remaining == 8
    counts._local_until = 0.0
    other.take("photos", "a", 9, cost=5)
    assert counts.take("photos", "a", 9).remaining == 3


def test_an_address_that_is_none_of_a_redis_is_refused() -> None:
    with pytest.raises(ConfigError, match="MARQUE_RATE_URL"):
        Rates("redis://host:not-a-port/")
