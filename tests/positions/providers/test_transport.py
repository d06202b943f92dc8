"""However a provider behaves on the wire, the question ends in its time, with a code."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from positions.market.providers import transport
from positions.market.providers.allowance import Allowance
from positions.market.providers.base import ProviderError
from positions.market.providers.patience import Call, Deadline
from positions.market.providers.transport import Line, guarded_session
from tests.positions.providers import played as play
from tests.positions.providers.played import Stage

SLACK = 0.8  # seconds of a busy machine


def asked(here: Stage, seconds: float = 5.0, *, per_minute: int = 6000, path: str = "/x") -> bytes:
    """The body, or ProviderError; asked as the product does, given up at the deadline."""
    deadline = Deadline(seconds)
    line = Line(deadline, allow_private=True)
    session = guarded_session(line, Allowance(per_minute))
    return in_time(lambda: session.get(here.url + path, allow_redirects=False).content, line, deadline)


def in_time(work: Callable[[], Any], line: Line, deadline: Deadline) -> Any:
    finished: SimpleQueue[Call[Any]] = SimpleQueue()
    call = Call(work, line.cut, deadline, finished)
    while deadline.left > 0 and finished.empty():
        time.sleep(0.01)
    if finished.empty():
        call.give_up()
    return call.result()


def code_of(here: Stage, seconds: float = 5.0, **given: Any) -> str:
    with pytest.raises(ProviderError) as failed:
        asked(here, seconds, **given)
    assert failed.value.sentence.endswith(".")
    return failed.value.code


def test_an_answer_comes_whole(played: Stage) -> None:
    played.play("/x", play.says({"a": 1}))
    assert asked(played) == b'{"a": 1}'


@pytest.mark.parametrize(
    "silence",
    [play.hangs, play.hangs_in_the_middle, play.trickles, play.trickles_headers],
    ids=lambda each: each.__name__,
)
def test_one_that_never_ends_is_left_at_the_deadline(played: Stage, silence: play.Play) -> None:
    played.play("/x", silence)
    began = time.monotonic()
    assert code_of(played, 1.0) == "PROVIDER_TIMEOUT"
    assert time.monotonic() - began < 1.0 + SLACK


def test_the_thread_of_one_that_trickles_ends_too(played: Stage) -> None:
    """The connection is cut from outside: what was given up does not go on reading for hours."""
    played.play("/x", play.trickles_headers)
    before = set(threading.enumerate())
    code_of(played, 0.5)
    left = [each for each in set(threading.enumerate()) - before if each.name == "provider"]
    for thread in left:
        thread.join(2)
        assert not thread.is_alive()


def test_silence_within_a_long_deadline_is_a_time_out_too(played: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SILENCE_SECONDS", 0.3)
    played.play("/x", play.hangs_in_the_middle)
    began = time.monotonic()
    assert code_of(played, 10.0) == "PROVIDER_TIMEOUT"
    assert time.monotonic() - began < 0.3 + SLACK


def test_after_500_it_is_asked_again(played: Stage) -> None:
    played.play("/x", play.status(500), play.status(503), play.says([1]))
    assert asked(played) == b"[1]"
    assert len(played.asked) == 3


def test_after_a_lost_connection_it_is_asked_again(played: Stage) -> None:
    played.play("/x", play.hangs_up, play.says([1]))
    assert asked(played) == b"[1]"


def test_500_for_good_is_unavailable_after_four_attempts(played: Stage) -> None:
    played.play("/x", play.status(500))
    assert code_of(played) == "PROVIDER_UNAVAILABLE"
    assert len(played.asked) == transport.ATTEMPTS


def test_what_cannot_be_reached_is_unavailable() -> None:
    nobody = Stage()
    nobody.url = "http://127.0.0.1:9"
    assert code_of(nobody) == "PROVIDER_UNAVAILABLE"


def test_retry_after_is_heeded_within_the_deadline(played: Stage) -> None:
    played.play("/x", play.status(429, **{"Retry-After": "1"}), play.says([1]))
    began = time.monotonic()
    assert asked(played) == b"[1]"
    assert 1.0 <= time.monotonic() - began < 1.0 + SLACK


def test_retry_after_beyond_the_deadline_is_told_at_once(played: Stage) -> None:
    played.play("/x", play.status(429, **{"Retry-After": "120"}))
    began = time.monotonic()
    with pytest.raises(ProviderError) as failed:
        asked(played)
    assert (failed.value.code, failed.value.retry_after) == ("PROVIDER_RATE_LIMITED", 120.0)
    assert time.monotonic() - began < SLACK
    assert len(played.asked) == 1


@pytest.mark.parametrize("code", [301, 302, 400, 401, 403, 404, 422])
def test_a_refusal_is_not_asked_again_and_no_redirect_is_followed(played: Stage, code: int) -> None:
    played.play("/x", play.status(code, Location=f"{played.url}/elsewhere"))
    assert code_of(played) == "PROVIDER_REFUSED"
    assert played.paths() == ["/x"]


def test_an_answer_that_swells_is_garbage(played: Stage) -> None:
    played.play("/x", play.swells)
    assert code_of(played) == "PROVIDER_GARBAGE"


def test_what_is_no_gzip_is_garbage(played: Stage) -> None:
    played.play("/x", play.body(b"not gzip", **{"Content-Encoding": "gzip"}))
    assert code_of(played) == "PROVIDER_GARBAGE"


def test_a_private_address_is_not_asked_unless_it_is_allowed(played: Stage) -> None:
    played.play("/x", play.says([1]))
    session = guarded_session(Line(Deadline(5), allow_private=False), Allowance(6000))
    with pytest.raises(ProviderError) as failed:
        session.get(f"{played.url}/x")
    assert failed.value.code == "PROVIDER_ADDRESS_REFUSED"
    assert played.asked == []


def test_a_proxy_of_the_environment_leads_nowhere(played: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    played.play("/x", play.says([1]))
    assert asked(played) == b"[1]"


# ---- The allowance ----


def test_requests_are_spread_over_the_minute(played: Stage) -> None:
    """60 a minute, ten at once: the eleventh waits for its second."""
    played.play("/x", play.says([1]))
    bucket = Allowance(60)
    for _ in range(10):
        bucket.take(Deadline(5), threading.Event())
    began = time.monotonic()
    bucket.take(Deadline(5), threading.Event())
    assert 0.9 <= time.monotonic() - began < 1.0 + SLACK


def test_an_allowance_that_is_used_up_beyond_the_deadline_is_said_at_once() -> None:
    bucket = Allowance(1)
    bucket.take(Deadline(5), threading.Event())
    with pytest.raises(ProviderError) as failed:
        bucket.take(Deadline(5), threading.Event())
    assert failed.value.code == "PROVIDER_RATE_LIMITED"
    assert 50 < (failed.value.retry_after or 0) <= 60


# ---- What comes late ----


def test_an_answer_after_the_deadline_is_discarded_whatever_it_says() -> None:
    finished: SimpleQueue[Call[int]] = SimpleQueue()
    let_go = threading.Event()

    def work() -> int:
        let_go.wait(5)
        return 1

    call = Call(work, lambda: None, Deadline(0.05), finished)
    time.sleep(0.1)
    call.give_up()
    let_go.set()
    assert finished.get(timeout=5) is call
    with pytest.raises(ProviderError) as failed:
        call.result()
    assert failed.value.code == "PROVIDER_TIMEOUT"


def test_an_adapter_that_fails_is_a_sentence() -> None:
    finished: SimpleQueue[Call[int]] = SimpleQueue()
    call = Call(lambda: 1 // 0, lambda: None, Deadline(5), finished)
    finished.get(timeout=5)
    with pytest.raises(ProviderError) as failed:
        call.result()
    assert failed.value.code == "PROVIDER_FAILED"
