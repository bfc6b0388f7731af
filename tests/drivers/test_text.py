from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_emo.clock import Clock, ManualClock, ReplayClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.text.lines import MAX_LINE_BYTES, TextLines, clean
from edge_emo.drivers.text.push import PushedText
from edge_emo.errors import ClosedError, ConfigError, DeviceNotFoundError, DeviceTimeoutError
from edge_emo.registry import DRIVERS, Address, construct
from edge_emo.testing import DriverContract, read_chunks
from edge_emo.types import StreamInfo, Utterance, Word
from tests.fakes.reading import end_of_read

LINES = ["Good morning.", "I have missed my bus.", "Never mind!"]


class TestFileContract(DriverContract):
    finite = True

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "chat.txt"
        self.path.write_text("\n".join(LINES))

    def make(self) -> Driver:
        return TextLines(str(self.path))


class TestPushedContract(DriverContract):
    def make(self) -> Driver:
        return Chatting()


class Chatting(PushedText):
    """A program that says something as soon as the stream is open."""

    def open(self, clock: Clock) -> StreamInfo:
        info = super().open(clock)
        for line in LINES * 2:
            self.push(line)
        return info


def read_file(path: Path, content: bytes) -> tuple[list[str], int]:
    path.write_bytes(content)
    with TextLines(str(path)) as driver:
        driver.open(ReplayClock())
        chunks = read_chunks(driver, 1000)
        assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
        return [chunk.text for chunk in chunks], driver.replaced_bytes


def test_text_of_another_clock_is_refused() -> None:
    clock = ManualClock(5_000_000_000)
    with PushedText() as driver:
        driver.open(clock)
        with pytest.raises(ConfigError, match="far ahead of the session"):
            driver.push("now", t_ns=1_760_000_000_000_000_000)
        driver.push("now")
        assert driver.read(0.0).t_ns == 5_000_000_000


def test_delivers_each_line_that_is_not_empty(tmp_path: Path) -> None:
    lines, _ = read_file(tmp_path / "chat.txt", b"one\n\n   \r\n\x00\x07\ntwo\r\nlast, unended")
    assert lines == ["one", "two", "last, unended"]


def test_an_empty_file_ends_at_once(tmp_path: Path) -> None:
    assert read_file(tmp_path / "chat.txt", b"") == ([], 0)


def test_bytes_that_are_not_utf8_are_replaced_and_counted(tmp_path: Path) -> None:
    content = b"caf\xe9 \xff\n" + "já, \ufffd\n".encode()
    assert read_file(tmp_path / "chat.txt", content) == (["caf\ufffd \ufffd", "já, \ufffd"], 2)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("\ufeffwith a mark", "with a mark"),
        ("a\tb\nc", "a b c"),
        ("be\x07ll\x1b\x9b", "bell"),
        ("👩‍🚀 ünï", "👩‍🚀 ünï"),
        ("half \ud83d pair", "half \ufffd pair"),
        (" \u00a0 ", ""),
    ],
)
def test_cleans(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


def test_a_line_without_end_comes_in_pieces(tmp_path: Path) -> None:
    lines, _ = read_file(tmp_path / "chat.txt", b"x" * (2 * MAX_LINE_BYTES + 5) + b"\nnext\n")
    assert [len(line) for line in lines] == [MAX_LINE_BYTES, MAX_LINE_BYTES, 5, 4]


@pytest.mark.parametrize("letter", ["é", "€", "😀"])
@pytest.mark.parametrize("before", ["", "x", "xx", "xxx"])
def test_no_letter_is_cut_in_two(tmp_path: Path, before: str, letter: str) -> None:
    text = before + letter * MAX_LINE_BYTES
    lines, replaced = read_file(tmp_path / "chat.txt", text.encode())
    assert "".join(lines) == text
    assert replaced == 0


def test_a_long_line_of_no_letters_at_all_comes_in_pieces(tmp_path: Path) -> None:
    lines, replaced = read_file(tmp_path / "chat.txt", b"\x80" * (MAX_LINE_BYTES + 7))
    assert sum(map(len, lines)) == replaced == MAX_LINE_BYTES + 7


def test_a_process_without_room_for_a_pipe_holds_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_text("one\n")
    driver = TextLines(str(tmp_path / "chat.txt"))
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 2, former[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            driver.open(ManualClock())
        assert os.dup(0) == free
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, former)
        os.close(free)


def test_a_line_is_stamped_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_text("one\ntwo\n")
    clock = ManualClock(5)
    with TextLines(str(tmp_path / "chat.txt")) as driver:
        driver.open(clock)
        first = read_chunks(driver, 1)[0]
        clock.advance_to(90)
        second = read_chunks(driver, 1)[0]
    assert (first.t_ns, second.t_ns) == (5, 90)


def test_an_interval_paces_a_file(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_text("one\ntwo\n")
    clock = ManualClock(7)
    with TextLines(str(tmp_path / "chat.txt"), interval_s=2.0) as driver:
        driver.open(clock)
        assert read_chunks(driver, 1)[0].t_ns == 7
        with pytest.raises(DeviceTimeoutError):
            driver.read(0.0)
        clock.advance(2.0)
        chunk = driver.read(0.0)
    assert chunk is not None
    assert (chunk.text, chunk.seq, chunk.t_ns) == ("two", 1, 2_000_000_007)


def test_a_replay_does_not_wait_for_the_interval(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_text("one\ntwo\nthree\n")
    with TextLines(str(tmp_path / "chat.txt"), interval_s=3600.0) as driver:
        driver.open(ReplayClock())
        times = [chunk.t_ns for chunk in read_chunks(driver, 10)]
    assert times == [0, 3600 * 10**9, 7200 * 10**9]


def test_no_such_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFoundError, match="absent"):
        TextLines(str(tmp_path / "absent.txt")).open(ReplayClock())
    with pytest.raises(ConfigError, match="folder"):
        TextLines(str(tmp_path)).open(ReplayClock())


@pytest.mark.parametrize("address", ["text:chat.txt?interval_s=-1", "push:x", "push:?capacity=0"])
def test_bad_addresses_are_refused(address: str) -> None:
    parsed = Address.parse(address)
    with pytest.raises(ConfigError):
        construct(DRIVERS.load(f"text.{parsed.name}"), parsed)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "chat.fifo"
    os.mkfifo(path)
    return path


def test_a_named_pipe_waits_for_its_writer_and_ends_with_it(pipe: Path) -> None:
    with TextLines(str(pipe)) as driver:
        assert driver.open(ManualClock()).live
        with pytest.raises(DeviceTimeoutError):
            driver.read(0.0)
        with pipe.open("wb", buffering=0) as writer:
            writer.write(b"half a ")
            with pytest.raises(DeviceTimeoutError):
                driver.read(0.0)
            writer.write(b"line\nmore\n")
            assert [chunk.text for chunk in read_chunks(driver, 2)] == ["half a line", "more"]
        assert driver.read(5.0) is None


def test_closing_ends_a_waiting_read(pipe: Path) -> None:
    driver = TextLines(str(pipe))
    driver.open(ManualClock())
    assert isinstance(end_of_read(driver), ClosedError)


def test_an_interval_on_a_live_source_is_refused(pipe: Path) -> None:
    driver = TextLines(str(pipe), interval_s=1.0)
    with pytest.raises(ConfigError, match="file"):
        driver.open(ManualClock())
    with pytest.raises(ClosedError):
        driver.read(0.0)


def test_standard_input_is_read_closed_and_opened_again() -> None:
    program = """
        from edge_emo.clock import MonotonicClock
        from edge_emo.drivers.text.lines import TextLines
        from edge_emo.errors import DeviceTimeoutError

        driver = TextLines("-")
        info = driver.open(MonotonicClock())
        print(info.device, info.live, driver.read(30.0).text, flush=True)
        try:
            driver.read(0.0)
        except DeviceTimeoutError:
            driver.close()
        driver.open(MonotonicClock())
        print("open again", flush=True)
        print(driver.read(30.0).text, driver.read(30.0), flush=True)
        """
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": root},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("one\n")
        child.stdin.flush()
        assert child.stdout.readline() == "standard input True one\n"
        assert child.stdout.readline() == "open again\n"
        child.stdin.write("two\n")
        child.stdin.close()
        assert child.stdout.readline() == "two None\n"


def test_pushed_text_keeps_the_time_it_was_said() -> None:
    clock = ManualClock(50)
    with PushedText() as driver:
        driver.open(clock)
        driver.push("earlier", t_ns=20)
        driver.push("  \x00 ")
        driver.push("now\n")
        chunks = read_chunks(driver, 2)
    assert [(c.seq, c.t_ns, c.text) for c in chunks] == [(0, 20, "earlier"), (1, 50, "now")]


def test_pushing_out_of_order_is_refused() -> None:
    with PushedText() as driver:
        driver.open(ManualClock(50))
        driver.push("now")
        with pytest.raises(ConfigError, match="after"):
            driver.push("earlier", t_ns=49)


def test_a_line_with_word_times_begins_and_ends_with_its_words() -> None:
    driver, clock = PushedText(), ManualClock(1000)
    driver.open(clock)
    driver.push("hm", utterance=Utterance("ben", (Word("hm", 500, 600),)))
    long = (Word("you", 100, 200), Word("lied", 250, 700))
    driver.push("you lied", utterance=Utterance("ann", long))
    with pytest.raises(ConfigError, match="text pushed for 650 ns comes after text for 700 ns"):
        driver.push("late", 650)
    chunks = read_chunks(driver, 2)
    assert [(c.t_ns, c.end_ns) for c in chunks] == [(500, 600), (100, 700)]
    assert [c.utterance.speaker for c in chunks if c.utterance] == ["ben", "ann"]


def test_too_much_pushed_text_drops_the_oldest_and_counts() -> None:
    with PushedText(capacity=2) as driver:
        driver.open(ManualClock())
        for line in ("a", "b", "c", "d"):
            driver.push(line)
        assert [(c.seq, c.text) for c in read_chunks(driver, 2)] == [(2, "c"), (3, "d")]
        assert driver.dropped == 2


def test_pushing_from_many_threads_loses_nothing() -> None:
    with PushedText(capacity=1000) as driver:
        driver.open(ManualClock())
        threads = [
            threading.Thread(target=lambda: [driver.push(f"{n}") for n in range(100)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        chunks = read_chunks(driver, 800)
        for thread in threads:
            thread.join()
    assert [chunk.seq for chunk in chunks] == list(range(800))


def test_pushing_to_a_closed_stream_is_an_error() -> None:
    driver = PushedText()
    with pytest.raises(ClosedError):
        driver.push("too early")
    driver.open(ManualClock())
    driver.close()
    with pytest.raises(ClosedError):
        driver.push("too late")


def test_a_push_wakes_a_waiting_read_and_so_does_close() -> None:
    driver = PushedText()
    driver.open(ManualClock())
    threading.Timer(0.05, driver.push, ["hello"]).start()
    assert driver.read(30.0).text == "hello"
    assert isinstance(end_of_read(driver), ClosedError)
