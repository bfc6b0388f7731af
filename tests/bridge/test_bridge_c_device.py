"""The C library's state machine, one clause of PROTOCOL.md after the other."""

from __future__ import annotations

import pytest
from bridge.c_library import CDevice, Library

from edge_emo.bridge.framing import FrameParser, pack
from edge_emo.bridge.schema import WireMessage, message, parse

SESSION = 77
HOST_TIMEOUT_US = 3_000_000


def sent(data: bytes) -> list[WireMessage]:
    """Return the messages in what the device wrote."""
    parser = FrameParser()
    frames = parser.feed(data)
    assert parser.bad == 0
    return [parse(frame.payload) for frame in frames]


def kinds(data: bytes) -> list[str]:
    return [str(wire.WhichOneof("body")) for wire in sent(data)]


class Host:
    """What a host sends, with its sequence numbers."""

    def __init__(self) -> None:
        self.sequence = 65_530

    def frame(self, body: str, **fields: object) -> bytes:
        self.sequence = (self.sequence + 1) & 0xFFFF
        return pack(message(body, **fields).SerializeToString(), self.sequence)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def device(library: Library) -> CDevice:
    return CDevice(library, streams=2)


@pytest.fixture
def greeted(device: CDevice, host: Host) -> CDevice:
    device.poll(0)
    device.exchange(host.frame("host_hello", session=SESSION), 10)
    device.lines()
    return device


def test_announces_itself_once_a_second_while_alone(device: CDevice) -> None:
    heard = [kinds(device.poll(t_us)) for t_us in range(0, 3_000_000, 250_000)]
    assert [bool(kind) for kind in heard] == [True, False, False, False] * 3
    assert sent(device.poll(3_000_000))[0].device_hello.session == 0


def test_answers_a_greeting_with_itself_and_its_streams(device: CDevice, host: Host) -> None:
    device.poll(0)
    hello, first, second = sent(device.exchange(host.frame("host_hello", session=SESSION), 10))
    who = hello.device_hello
    assert (who.protocol, who.board, who.firmware, who.serial) == (1, "a board", "2.1", "S1")
    assert (who.session, who.capabilities, who.streams) == (SESSION, 7, 2)
    assert [first.sensor_stream.id, second.sensor_stream.id] == [0, 1]
    assert [channel.name for channel in first.sensor_stream.channels] == ["bvp", "eda"]
    assert first.sensor_stream.rate_mhz == 100_000
    assert device.lines() == ["up"]


def test_a_second_greeting_begins_anew(greeted: CDevice, host: Host) -> None:
    greeted.exchange(host.frame("config", active_streams=1), 20)
    assert greeted.wants(0)
    greeted.lines()
    answer = sent(greeted.exchange(host.frame("host_hello", session=5), 30))
    assert answer[0].device_hello.session == 5
    assert not greeted.wants(0)
    assert greeted.lines() == ["up"]  # another host, who was told nothing yet
    greeted.exchange(host.frame("host_hello", session=5), 40)
    assert greeted.lines() == []


def test_a_device_without_handlers_says_so(library: Library, host: Host) -> None:
    device = CDevice(library, streams=0, handlers=False)
    hello = sent(device.exchange(host.frame("host_hello", session=SESSION), 1))[-1].device_hello
    assert (hello.capabilities, hello.streams) == (0, 0)
    for body, fields in (("state", {"number": 1}), ("config", {"brightness": 1})):
        (ack,) = sent(device.exchange(host.frame(body, **fields), 2))
        assert (ack.ack.sequence, ack.ack.code) == (host.sequence, 1)
    assert kinds(device.exchange(host.frame("goodbye"), 3)) == ["device_hello"]


def test_a_device_without_handlers_sends_samples(library: Library, host: Host) -> None:
    device = CDevice(library, handlers=False)
    hello = sent(device.exchange(host.frame("host_hello", session=SESSION), 1))[-2].device_hello
    assert hello.capabilities == 2 + 4
    (ack,) = sent(device.exchange(host.frame("config", active_streams=1), 2))
    assert (ack.ack.code, device.wants(0)) == (0, True)
    (ack,) = sent(device.exchange(host.frame("config", active_streams=0, brightness=9), 3))
    assert (ack.ack.code, device.wants(0)) == (1, False)


def test_texts_that_are_too_long_are_cut(library: Library, host: Host) -> None:
    device = CDevice(library, board="b" * 60)
    hello = sent(device.exchange(host.frame("host_hello", session=SESSION), 1))[-2].device_hello
    assert hello.board == "b" * 23


@pytest.mark.parametrize(("letter", "kept"), [("é", 11), ("€", 7), ("🙂", 5)])
def test_texts_are_cut_between_letters(
    library: Library, host: Host, letter: str, kept: int
) -> None:
    device = CDevice(library, board=letter * 15)
    hello = sent(device.exchange(host.frame("host_hello", session=SESSION), 1))[-2].device_hello
    assert hello.board == letter * kept


def test_pings_are_answered_with_the_device_s_time(greeted: CDevice, host: Host) -> None:
    (pong,) = sent(greeted.exchange(host.frame("ping", id=9), 1234))
    assert (pong.pong.id, pong.pong.received_us, pong.pong.sent_us) == (9, 1234, 1234)


def test_time_goes_on_when_the_32_bit_clock_wraps(greeted: CDevice, host: Host) -> None:
    for t_us in range(10, 2**32 + 2_000_000, 1_000_000):
        (pong,) = sent(greeted.exchange(host.frame("ping", id=1), t_us))
    assert pong.pong.sent_us == t_us > 2**32


def test_states_are_acknowledged_and_handed_over(greeted: CDevice, host: Host) -> None:
    (ack,) = sent(greeted.exchange(host.frame("state", number=3, age_ms=8), 20))
    assert (ack.ack.sequence, ack.ack.code) == (host.sequence, 0)
    assert greeted.lines() == ["state number=3 age=8 health=0,0,0,0,0"]


def test_settings_are_acknowledged_with_what_the_handler_says(greeted: CDevice, host: Host) -> None:
    greeted.refuse_config(2)
    (ack,) = sent(greeted.exchange(host.frame("config", active_streams=1), 20))
    assert ack.ack.code == 2
    assert not greeted.wants(0)
    greeted.refuse_config(0)
    greeted.exchange(host.frame("config", active_streams=2), 20)
    greeted.exchange(host.frame("config", brightness=40), 20)
    assert [greeted.wants(number) for number in (0, 1, 31, 32, 255)] == [
        False, True, False, False, False,
    ]  # fmt: skip
    assert greeted.lines()[-1] == "config brightness=40 streams=-1"


def test_samples_go_out_once_they_are_wanted(greeted: CDevice, host: Host) -> None:
    assert not greeted.samples(0, 0, 5, [1, 2])
    greeted.exchange(host.frame("config", active_streams=1), 1_000)
    assert greeted.samples(0, 100, 900, [1, -2, 2**31 - 1, -(2**31)])
    got = sent(greeted.written())[0].samples
    assert (got.stream, got.first, got.t_us) == (0, 100, 900)
    assert list(got.counts) == [1, -2, 2**31 - 1, -(2**31)]
    assert not greeted.samples(1, 0, 5, [1, 2])
    assert not greeted.samples(0, 0, 5, [1] * 41)


def test_the_longest_samples_fit_a_frame(greeted: CDevice, host: Host) -> None:
    late_us = 2**32 - 1
    for t_us in range(10, late_us, 1_000_000):
        greeted.exchange(host.frame("ping"), t_us)
    greeted.exchange(host.frame("config", active_streams=2), late_us)
    assert greeted.samples(1, 2**32 - 1, late_us + 5, [-(2**31)] * 40)
    got = sent(greeted.written())[0].samples
    assert got.t_us == late_us + 5
    assert list(got.counts) == [-(2**31)] * 40


def test_text_and_errors_go_out_while_a_host_is_there(device: CDevice, host: Host) -> None:
    assert not device.log("alone")
    assert not device.error("alone", 5)
    device.exchange(host.frame("host_hello", session=SESSION), 1)
    assert device.log("x" * 100, 2)
    assert device.error("no finger", 5)
    log, error = sent(device.written())
    assert (log.log.level, log.log.text) == (2, "x" * 79)
    assert (error.error.code, error.error.text) == (5, "no finger")


def test_frames_that_come_twice_or_late_are_not_obeyed_again(greeted: CDevice, host: Host) -> None:
    first = host.frame("state", number=1)
    second = host.frame("state", number=2)
    greeted.exchange(first + second + second + first, 20)
    assert greeted.lines() == [f"state number={n} age=0 health=0,0,0,0,0" for n in (1, 2)]
    assert greeted.counter("duplicates") == 2


def test_missing_frames_are_counted_across_the_wrap(greeted: CDevice, host: Host) -> None:
    host.sequence += 9
    greeted.exchange(host.frame("ping", id=1), 20)
    assert greeted.counter("lost") == 9
    assert greeted.counter("received") == 2


def test_unknown_and_unreadable_messages_are_refused(greeted: CDevice, host: Host) -> None:
    (ack,) = sent(greeted.exchange(pack(bytes.fromhex("a20602080a"), host.sequence + 1), 20))
    assert ack.ack.code == 1
    (ack,) = sent(greeted.exchange(pack(b"\xff\xff", host.sequence + 2), 20))
    assert (ack.ack.sequence, ack.ack.code) == (host.sequence + 2, 2)
    assert greeted.counter("bad") == 1
    assert kinds(greeted.exchange(pack(b"\xff\xff", host.sequence + 2), 20)) == []


def test_a_device_that_hears_itself_stays_quiet(greeted: CDevice, host: Host) -> None:
    echo = host.frame("pong", id=1) + host.frame("ack", sequence=3) + host.frame("log", text="x")
    assert greeted.exchange(echo, 20) == b""


def test_an_echo_is_no_sign_of_a_host(greeted: CDevice, host: Host) -> None:
    greeted.lines()
    for number, body in enumerate(("pong", "ack", "samples", "log", "error", "sensor_stream")):
        greeted.exchange(host.frame(body), 10 + number)
    greeted.poll(11 + HOST_TIMEOUT_US)
    assert greeted.lines() == ["down"]


def test_nothing_is_obeyed_before_a_greeting(device: CDevice, host: Host) -> None:
    device.poll(0)
    data = host.frame("state", number=1) + host.frame("config", brightness=3) + b"\xff\0"
    assert device.exchange(data, 10) == b""
    assert device.exchange(pack(b"\xff\xff", 3), 10) == b""
    assert device.lines() == []


def test_another_version_is_told_which_one_this_is(device: CDevice, host: Host) -> None:
    device.poll(0)
    newer = pack(message("host_hello", session=1).SerializeToString(), 1, version=2)
    (error,) = sent(device.exchange(newer, 10))
    assert (error.error.code, error.error.text) == (6, "a board")


def test_a_host_that_falls_silent_is_given_up(greeted: CDevice, host: Host) -> None:
    greeted.exchange(host.frame("config", active_streams=1), 10)
    greeted.poll(10 + HOST_TIMEOUT_US)
    assert "down" not in greeted.lines()
    assert kinds(greeted.poll(11 + HOST_TIMEOUT_US)) == ["device_hello"]
    assert greeted.lines() == ["down"]
    assert not greeted.wants(0)


def test_garbage_does_not_keep_a_host_alive(greeted: CDevice) -> None:
    for t_us in range(0, HOST_TIMEOUT_US + 200_000, 100_000):
        greeted.exchange(b"garbage" * 40 + b"\0", t_us)
    assert greeted.lines() == ["down"]
    assert greeted.counter("bad") > 30


def test_goodbye_ends_the_session(greeted: CDevice, host: Host) -> None:
    assert kinds(greeted.exchange(host.frame("goodbye"), 20)) == ["device_hello"]
    assert greeted.lines() == ["down"]


def test_a_line_that_takes_nothing_loses_no_answer(greeted: CDevice, host: Host) -> None:
    greeted.room(5)
    greeted.feed(host.frame("ping", id=1) + host.frame("ping", id=2))
    out = greeted.poll(20)
    assert len(out) == 5
    assert not greeted.log("no room")
    assert greeted.counter("refused") == 1
    greeted.room(10_000)
    out += greeted.poll(30)
    assert [wire.pong.id for wire in sent(out)] == [1, 2]
    assert greeted.log("room")


def test_a_greeting_that_waits_goes_before_the_application(device: CDevice, host: Host) -> None:
    device.poll(0)
    device.room(0)
    device.feed(host.frame("host_hello", session=SESSION))
    device.poll(10)
    assert not device.log("too early")
    device.room(10_000)
    assert kinds(device.poll(20)) == ["device_hello", "sensor_stream", "sensor_stream"]


def test_a_stream_that_cannot_be_announced_is_counted(library: Library, host: Host) -> None:
    device = CDevice(library, streams=2, broken_stream=True)
    heard = kinds(device.exchange(host.frame("host_hello", session=SESSION), 1))
    assert heard[-2:] == ["device_hello", "sensor_stream"]
    assert device.counter("refused") == 1


def test_one_poll_takes_512_bytes_at_most(greeted: CDevice) -> None:
    greeted.feed(b"\1" * 5000)
    greeted.poll(20)
    assert greeted.unread() >= 5000 - 512


def test_ram_is_below_two_kilobytes(library: Library) -> None:
    assert library.lib.shim_bytes() < 2048
