"""The host's state machine against both devices, in simulated time."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from bridge.c_library import CDevice, Library
from bridge.world import Device, PythonDevice, World, a_state, make_device

from edge_emo.bridge.framing import FrameParser, pack
from edge_emo.bridge.host import HostSession, Phase
from edge_emo.bridge.messages import Acknowledged, BoardText, LinkChange, SampleBlock
from edge_emo.bridge.schema import message, parse
from edge_emo.errors import (
    DeviceError,
    DeviceLostError,
    DeviceTimeoutError,
    ProtocolVersionError,
)


@pytest.fixture(params=["c", "python"])
def world(request: pytest.FixtureRequest, library: Library) -> World:
    return World(make_device(request.param, library))


@pytest.fixture
def up(world: World) -> World:
    world.run(0.5)
    assert world.host.phase is Phase.UP
    return world


def changes(events: list[object]) -> list[LinkChange]:
    return [event for event in events if isinstance(event, LinkChange)]


def test_learns_what_the_board_is(up: World) -> None:
    board = up.host.board
    assert board is not None
    assert (board.name, board.firmware, board.serial, board.protocol) == ("a board", "2.1", "S1", 1)
    assert board.capabilities == ("states", "samples", "config")
    assert board.streams[0].channels == ("bvp", "eda")
    assert (board.streams[0].kind, board.streams[0].rate_hz) == ("pulse", 100.0)
    assert changes(up.events) == [LinkChange(up=True)]


def test_states_flow_and_are_acknowledged(up: World) -> None:
    for seq in range(100):
        up.offer(a_state(seq))
        up.run(0.06)
    counters = up.host.counters
    assert counters.states_sent == counters.states_acknowledged == 100
    assert counters.states_unanswered == counters.states_replaced == 0
    assert 400_000 <= up.host.ack_ns < 1_000_000


def test_a_fast_session_is_limited_to_the_rate_and_counted(up: World) -> None:
    for seq in range(100):
        up.offer(a_state(seq))
        up.run(0.01)
    counters = up.host.counters
    assert 19 <= counters.states_sent <= 22
    assert counters.states_sent + counters.states_replaced in (99, 100)  # one may wait


def test_a_board_that_acknowledges_late_gets_the_newest_state(up: World) -> None:
    held: list[bytes] = []
    up.to_host = lambda data: held.append(data) or b""
    up.offer(a_state(1))
    for seq in range(2, 30):
        up.offer(a_state(seq))
    up.run(0.2)
    assert up.host.counters.states_sent == 1
    up.run(0.2)
    up.to_host = lambda data: data
    up.run(0.2)
    counters = up.host.counters
    assert (counters.states_sent, counters.states_unanswered) == (2, 2)
    assert counters.states_replaced == 27


def test_a_late_acknowledgement_counts_still(up: World) -> None:
    held: list[bytes] = []
    up.to_host = lambda data: held.append(data) or b""
    up.offer(a_state(1))
    up.run(0.3)
    up.to_host = lambda data: data
    late = [e for data in held for e in up.host.receive(data, up.now_ns)]
    assert [e.code for e in late if isinstance(e, Acknowledged)] == ["ok"]
    assert up.host.ack_ns == 300_000_000
    counters = up.host.counters
    assert (counters.states_acknowledged, counters.states_unanswered) == (1, 1)


def test_samples_carry_the_time_at_which_they_were_taken(up: World) -> None:
    up.host.configure({"active_streams": 1}, up.now_ns)
    up.run(0.1)
    up.measure(40, up.now_ns, [1, 2, 3, 4])
    (block,) = [event for event in up.run(0.1) if isinstance(event, SampleBlock)]
    assert (block.stream, block.first, block.counts) == (0, 40, (1, 2, 3, 4))
    assert block.t_ns == pytest.approx(600_000_000, abs=50_000)


@pytest.mark.parametrize("t_ns", [2**62, -(2**32)])
def test_samples_of_a_time_that_cannot_be_are_refused(up: World, t_ns: int) -> None:
    up.host.configure({"active_streams": 1}, up.now_ns)
    up.run(70.0)
    bad = up.host.counters.bad
    up.measure(40, t_ns, [1, 2])
    assert not [event for event in up.run(0.1) if isinstance(event, SampleBlock)]
    assert up.host.counters.bad == bad + 1


def test_settings_are_repeated_until_they_are_acknowledged(up: World) -> None:
    up.to_device = lambda data: b""
    up.host.configure({"brightness": 300}, up.now_ns)
    up.run(0.6)
    up.to_device = lambda data: data
    up.run(0.6)
    assert up.host.phase is Phase.UP
    assert brightness_of(up.device) == 300
    sent = up.host.counters.sent
    up.run(0.3)
    assert up.host.counters.sent - sent <= 1  # a ping, no setting


def brightness_of(device: Device | None) -> int:
    """Return the one brightness that a device was told, in thousandths."""
    if isinstance(device, PythonDevice):
        return device.core.brightness
    assert isinstance(device, CDevice)
    (told,) = [line for line in device.lines() if line.startswith("config ")]
    return int(told.removeprefix("config brightness=").partition(" ")[0])


def test_a_board_that_never_takes_settings_is_given_up(library: Library) -> None:
    world = World(PythonDevice())
    world.run(0.5)
    world.to_device = lambda data: b"" if is_config(data) else data
    world.host.configure({"brightness": 1}, world.now_ns)
    world.run(1.6)
    assert isinstance(world.host.failure, DeviceLostError)
    assert "settings" in str(world.host.failure)


@pytest.mark.parametrize("busy_s", [0.4, 2.0])
def test_a_board_that_is_busy_is_given_its_settings_again(library: Library, busy_s: float) -> None:
    device = CDevice(library)
    world = World(device)
    world.run(0.5)
    device.refuse_config(3)
    world.host.configure({"active_streams": 2}, world.now_ns)
    told = [event for event in world.run(busy_s) if isinstance(event, BoardText)]
    device.refuse_config(0)
    world.run(0.6)
    assert world.host.phase is Phase.UP
    assert device.wants(1) == (busy_s < 1)
    assert [one.text.partition(":")[0] for one in told] == ([] if busy_s < 1 else ["busy"])


def is_config(data: bytes) -> bool:
    return any(parse(f.payload).WhichOneof("body") == "config" for f in FrameParser().feed(data))


def test_a_silent_board_is_lost_after_two_seconds(up: World) -> None:
    up.to_host = lambda data: b""
    assert changes(up.run(1.8)) == []
    (change,) = changes(up.run(0.5))
    assert not change.up
    assert "no good frame for 2 s" in change.reason
    assert isinstance(up.host.failure, DeviceLostError)


def test_a_board_that_stops_inside_a_frame_is_lost_too(up: World) -> None:
    up.to_host = lambda data: data[:3]
    up.run(2.3)
    assert isinstance(up.host.failure, DeviceLostError)


def test_a_board_that_sends_garbage_only_is_lost_and_counted(up: World) -> None:
    up.to_host = lambda data: b"\x17garbage\0" * 300
    up.run(2.3)
    assert isinstance(up.host.failure, DeviceLostError)
    assert up.host.counters.bad > 300


def test_a_restart_of_the_board_is_noticed(up: World, library: Library) -> None:
    kind = "python" if isinstance(up.device, PythonDevice) else "c"
    up.replace_device(make_device(kind, library))
    (change,) = changes(up.run(0.5))
    assert "a board on a port restarted" in change.reason


def test_frames_that_come_twice_are_ignored(up: World) -> None:
    up.host.configure({"active_streams": 1}, up.now_ns)
    up.run(0.1)
    up.to_host = lambda data: data + data
    up.measure(0, up.now_ns, [1, 2])
    blocks = [event for event in up.run(0.1) if isinstance(event, SampleBlock)]
    assert len(blocks) == 1
    assert up.host.counters.duplicates >= 1


def test_lost_frames_are_counted(up: World) -> None:
    up.host.configure({"active_streams": 1}, up.now_ns)
    up.run(0.1)
    up.to_host = lambda data: b""
    for number in range(7):
        up.measure(number, up.now_ns, [1, 2])
    up.to_host = lambda data: data
    up.run(1.0)
    assert up.host.counters.lost == 7
    assert up.host.phase is Phase.UP


def failure_of(said: bytes, *, repeat: bool = True) -> Exception:
    """Let a port say something else than a board would, and return the error."""
    world = World(None)
    world.to_device = lambda data: b""
    for _ in range(40):
        world.host.receive(said, world.now_ns)
        if not repeat:
            said = b""
        world.run(0.1)
        if world.host.failure is not None:
            return world.host.failure
    raise AssertionError("no error")


def test_nothing_answers() -> None:
    error = failure_of(b"")
    assert isinstance(error, DeviceTimeoutError)
    assert "nothing on a port answered within 3 s" in str(error)


@pytest.mark.parametrize("said", [b"$GPGGA,123519,4807.038,N\r\n", b"\r\nERROR\r\nOK\r\n"])
def test_a_gps_or_a_modem_is_named_by_what_it_says(said: bytes) -> None:
    error = failure_of(said)
    assert isinstance(error, DeviceError)
    assert not isinstance(error, DeviceTimeoutError)
    assert repr(said[:9])[2:-1] in str(error)
    assert "edge-emo devices" in error.hint


def test_a_port_that_echoes_is_told() -> None:
    world = World(None)
    world.run(0.1)
    world.host.receive(pack(message("host_hello", session=77).SerializeToString(), 0), 0)
    assert "sends back" in str(world.host.failure)


@pytest.mark.parametrize(("version", "hint"), [(2, "update edge-emo"), (0, "flash")])
def test_another_version_names_the_board_and_what_to_flash(version: int, hint: str) -> None:
    hello = message("device_hello", protocol=version, board="nano", firmware="9.1")
    error = failure_of(pack(hello.SerializeToString(), 5, version=version))
    assert isinstance(error, ProtocolVersionError)
    assert f"nano (firmware 9.1) on a port speaks protocol {version}, this host 1" in str(error)
    assert hint in error.hint
    assert "firmware_bridge 1.x" in error.hint


def test_another_version_whose_messages_cannot_be_read() -> None:
    error = failure_of(pack(b"\xff\xff", 5, version=3))
    assert isinstance(error, ProtocolVersionError)
    assert "the board on a port speaks protocol 3" in str(error)


def test_a_hello_of_another_protocol_in_a_frame_of_ours() -> None:
    hello = message("device_hello", protocol=2, board="nano", firmware="9.1", session=77)
    assert isinstance(failure_of(pack(hello.SerializeToString(), 5)), ProtocolVersionError)


def test_a_board_that_does_not_announce_its_streams() -> None:
    hello = message("device_hello", protocol=1, board="nano", session=77, streams=3)
    error = failure_of(pack(hello.SerializeToString(), 5))
    assert "nano on a port announced 0 of its 3 streams" in str(error)


def test_a_stream_that_no_setting_could_switch_on_is_not_believed() -> None:
    hello = message("device_hello", protocol=1, board="nano", session=77, streams=1)
    stream = message("sensor_stream", id=2**32 - 1, rate_mhz=1000)
    frames = [pack(wire.SerializeToString(), 5 + k) for k, wire in enumerate((hello, stream))]
    error = failure_of(b"".join(frames), repeat=False)
    assert "nano on a port announced 0 of its 1 streams" in str(error)


@pytest.mark.parametrize("units", [{"scale": float("nan")}, {"offset": float("inf")}])
def test_a_stream_whose_units_are_no_numbers_is_not_believed(units: dict[str, float]) -> None:
    hello = message("device_hello", protocol=1, board="nano", session=77, streams=1)
    stream = message("sensor_stream", rate_mhz=1000)
    stream.sensor_stream.channels.add(name="bvp", **units)
    frames = [pack(wire.SerializeToString(), 5 + k) for k, wire in enumerate((hello, stream))]
    error = failure_of(b"".join(frames), repeat=False)
    assert "nano on a port announced 0 of its 1 streams" in str(error)


def test_text_and_errors_of_the_board_are_told(up: World) -> None:
    frames = [message("log", level=2, text="hot"), message("error", code=5, text="no finger")]
    told = [
        event
        for number, wire in enumerate(frames)
        for event in up.host.receive(pack(wire.SerializeToString(), 1000 + number), up.now_ns)
    ]
    assert told == [BoardText("warning", "hot"), BoardText("error", "sensor: no finger")]


@pytest.mark.parametrize(("letter", "kept"), [("x", 79), ("é", 39), ("🙂", 19)])
def test_a_long_line_of_the_software_device_is_cut_between_letters(letter: str, kept: int) -> None:
    device = PythonDevice()
    world = World(device)
    world.run(0.5)
    device.core.log(letter * 100)
    assert BoardText("info", letter * kept) in world.run(0.1)


def test_a_number_of_newer_firmware_is_named_by_itself(up: World) -> None:
    wire = message("error", code=99, text="?")
    (told,) = up.host.receive(pack(wire.SerializeToString(), 1000), up.now_ns)
    assert told == BoardText("error", "number 99: ?")


def test_goodbye_reaches_the_board(up: World, library: Library) -> None:
    up.host.goodbye()
    up.run(0.1)
    assert up.host.phase is Phase.ENDED
    assert up.host.failure is None
    if isinstance(up.device, CDevice):
        assert up.device.lines() == ["up", "down"]
    else:
        assert isinstance(up.device, PythonDevice)
        assert not up.device.core.up


def test_sample_times_hold_for_half_an_hour_of_drift_and_jitter(
    tell: Callable[[str], None],
) -> None:
    """200 ppm, jitter of a milliseconds each way, and stalls of 40 ms now and then."""
    chance = random.Random(4)

    def delay() -> int:
        stall = 40e6 if chance.random() < 0.02 else 0.0
        return round(300e3 + chance.expovariate(1 / 1e6) + stall)

    world = World(PythonDevice(), delay=delay, ppm=200.0)
    world.run(0.6)
    world.host.configure({"active_streams": 1}, world.now_ns)
    world.run(0.4)
    taken: dict[int, int] = {}
    for number in range(1800):
        taken[number] = world.now_ns - 50_000_000
        world.measure(number, taken[number], [0, 0])
        world.run(1.0)
    blocks = [event for event in world.events if isinstance(event, SampleBlock)]
    errors_ns = [abs(block.t_ns - taken[block.first]) for block in blocks]
    assert len(errors_ns) >= 1799
    worst_ms, drift_ppm = max(errors_ns) / 1e6, world.host.clock.drift_ppm
    tell(f"30 min at 200 ppm with jitter: worst {worst_ms:.2f} ms, drift {drift_ppm:.1f} ppm")
    assert max(errors_ns) <= 2_000_000
    assert world.host.clock.drift_ppm == pytest.approx(200.0, abs=10.0)


@pytest.mark.parametrize("after_s", [3.0, 100.0])
def test_sample_times_are_right_at_once_after_the_session_s_clock_stood_still(
    after_s: float,
) -> None:
    world = World(PythonDevice(), ppm=200.0)
    world.run(0.5)
    world.host.configure({"active_streams": 1}, world.now_ns)
    world.run(after_s)
    stood_ns, passed_us = 1_500_000_000, world.device_us
    world.device_us = lambda now_ns: passed_us(now_ns + stood_ns)  # type: ignore[method-assign]
    world.run(0.6)  # a ping
    world.measure(0, world.now_ns, [1, 2])
    (block,) = [event for event in world.run(0.1) if isinstance(event, SampleBlock)]
    assert abs(block.t_ns - (world.now_ns - 100_000_000)) < 2_000_000


MS = 1_000_000


def greetings(host: HostSession, said: dict[int, bytes], until_ms: int = 3000) -> list[int]:
    """Return when it greets, in milliseconds, while the board says something at some times."""
    found = []
    for t_ms in range(0, until_ms, 10):
        host.receive(said.get(t_ms, b""), t_ms * MS)
        host.poll(t_ms * MS)
        if host.take_output():
            found.append(t_ms)
    return found


def hello(session: int) -> bytes:
    wire = message("device_hello", protocol=1, board="ring", session=session)
    return pack(wire.SerializeToString(), 7)


def test_a_board_that_may_be_starting_is_left_alone() -> None:
    times_ms = greetings(HostSession("a port", 5, 0), {})
    assert times_ms == [0, *range(1500, 3000, 250)]
    hasty = HostSession("a port", 5, 0, timeout_s=1.0)
    assert greetings(hasty, {}, 1000) == [0, 500, 750]


def test_a_board_that_has_started_is_greeted_at_once() -> None:
    times_ms = greetings(HostSession("a port", 5, 0), {1030: hello(0)}, 2000)
    assert times_ms == [0, 1030, 1280, 1530, 1780]
    assert greetings(HostSession("a port", 5, 0), {10: hello(5)}, 500)[:2] == [0, 10]  # a ping


def test_a_board_that_does_not_hear_its_host_is_named() -> None:
    host = HostSession("a port", 5, 0)
    greetings(host, {t_ms: hello(0) for t_ms in range(1000, 3000, 1000)}, 3020)
    assert str(host.failure) == "ring on a port announces itself and does not hear this host"


def test_an_answer_to_settings_is_none_to_a_state_of_long_ago(up: World) -> None:
    up.to_host = lambda data: b""
    up.offer(a_state(1))
    up.run(0.1)
    number = next(iter(up.host._outbox.sent))
    up.host._sequence = number  # as 65536 frames later
    up.host.configure({"active_streams": 1}, up.now_ns)
    ack = pack(message("ack", sequence=number).SerializeToString(), 2000)
    assert up.host.receive(ack, up.now_ns) == []
    assert up.host.counters.states_acknowledged == 0
