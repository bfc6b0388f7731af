from __future__ import annotations

import itertools
import json
import os
import threading
import wave
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edge_emo.clock import ManualClock, MonotonicClock
from edge_emo.errors import ClosedError, RecordingError
from edge_emo.recording import Recording, Writer
from edge_emo.recording.formats.csv import CsvWriter, read_csv
from edge_emo.types import (
    Chunk,
    EmotionState,
    Kind,
    Posterior,
    Prediction,
    StreamInfo,
    abstention,
)

STREAMS: dict[str, StreamInfo] = {
    "camera": StreamInfo("camera", 30.0, (), "rgb8", "a camera"),
    "microphone": StreamInfo("microphone", 16000.0, ("left", "right"), "full-scale", "a mic"),
    "eeg": StreamInfo("eeg", 250.0, ("C3", "C,4"), "uv", "a board"),
    "physio": StreamInfo("physio", 4.0, ("eda",), "us", "a wristband"),
    "text": StreamInfo("text", 0.0, (), "text", "a keyboard"),
}
NOTHING_BUT_EEG = {"eeg": STREAMS["eeg"]}


def sound(seq: int, t_ns: int, n: int = 320) -> Chunk:
    rng = np.random.default_rng(seq)
    pcm = rng.integers(-32768, 32768, (n, 2)).astype(np.int16)
    pcm[0] = (-32768, 32767)
    return Chunk("microphone", seq, t_ns, 16000.0, pcm.astype(np.float32) / np.float32(32768))


def eeg(seq: int, t_ns: int, n: int = 10) -> Chunk:
    data = np.random.default_rng(seq).normal(0, 30, (n, 2)).astype(np.float32)
    data[0, 1] = np.nan
    return Chunk("eeg", seq, t_ns, 250.0, data)


def frame(seq: int, t_ns: int) -> Chunk:
    row, column = np.mgrid[0:48, 0:64]
    image = np.stack([row * 4, column * 3, np.full_like(row, 40 + seq)], axis=2).astype(np.uint8)
    return Chunk("camera", seq, t_ns, 30.0, image)


def eda(seq: int, t_ns: int) -> Chunk:
    return Chunk("physio", seq, t_ns, 4.0, np.array([[0.1 * seq]], np.float32))


def line(seq: int, t_ns: int, text: str) -> Chunk:
    return Chunk("text", seq, t_ns, 0.0, text)


CHUNKS: dict[Kind, list[Chunk]] = {
    "camera": [frame(0, 5), frame(1, 33_000_007), frame(4, 133_000_001)],
    "microphone": [sound(0, -3), sound(320, 20_000_011), sound(900, 60_000_000, 17)],
    "eeg": [eeg(0, 11), eeg(10, 40_000_123), eeg(37, 150_000_000, 3)],
    "physio": [eda(0, 250_000_000), eda(1, 500_000_001)],
    "text": [line(0, 7, "Hallå, världen"), line(1, 9, 'a "quoted"\nline \ud800')],
}
PREDICTION = Prediction(
    "voice", 17, 1_000, Posterior(("calm", "tense"), (1 / 3, 2 / 3)), 0.1, -0.2, None, 0.9, "m", 5
)
STATE = EmotionState(1_000, 0, 20, None, None, None, {"voice": PREDICTION}, {}, "too early")


def record(
    folder: Path,
    chunks: Iterable[Chunk],
    streams: Mapping[str, StreamInfo] = STREAMS,
    **options: bool,
) -> Writer:
    writer = Writer(folder, streams, ManualClock(), **{"raw": True, **options})
    writer.open()
    for chunk in chunks:
        writer.chunk(chunk)
    return writer


def same(a: Chunk, b: Chunk) -> bool:
    same_data = (
        a.data == b.data
        if isinstance(a.data, str)
        else a.samples.tobytes() == (b.samples.tobytes())
    )
    return bool(same_data) and (a.stream, a.seq, a.t_ns, a.rate_hz, a.n_samples) == (
        b.stream,
        b.seq,
        b.t_ns,
        b.rate_hz,
        b.n_samples,
    )


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "session"
    writer = record(folder, itertools.chain.from_iterable(CHUNKS.values()))
    writer.prediction(PREDICTION)
    writer.prediction(abstention("face", 3, 0, "no face"))
    writer.state(STATE)
    writer.event({"t_ns": 4, "event": "lost", "stream": "eeg"})
    writer.close()
    return folder


@pytest.mark.parametrize("kind", ["microphone", "eeg", "physio", "text"])
def test_chunks_come_back_exactly(session: Path, kind: Kind) -> None:
    found = list(Recording(session).chunks(kind))
    assert len(found) == len(CHUNKS[kind])
    assert all(same(a, b) for a, b in zip(found, CHUNKS[kind], strict=True))


def test_frames_come_back_nearly(session: Path) -> None:
    found = list(Recording(session).chunks("camera"))
    assert [(c.seq, c.t_ns) for c in found] == [(c.seq, c.t_ns) for c in CHUNKS["camera"]]
    for chunk, original in zip(found, CHUNKS["camera"], strict=True):
        error = np.abs(chunk.image.astype(int) - original.image.astype(int))
        assert error.mean() < 3


def test_values_come_back_exactly(session: Path) -> None:
    recording = Recording(session)
    assert list(recording.predictions()) == [PREDICTION, abstention("face", 3, 0, "no face")]
    assert list(recording.states()) == [STATE]
    assert list(recording.events()) == [{"t_ns": 4, "event": "lost", "stream": "eeg"}]
    assert recording.damage == []


def test_the_header_says_what_was_recorded(session: Path) -> None:
    recording = Recording(session)
    assert dict(recording.streams) == STREAMS
    assert recording.header.closed
    assert recording.raw_kinds == tuple(STREAMS)
    assert recording.info("eeg").channels == ("C3", "C,4")


def test_other_programs_read_the_sound(session: Path) -> None:
    with wave.open(str(session / "microphone.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16000, 2, 657)
        assert file.readframes(1) == np.array([-32768, 32767], "<i2").tobytes()


def test_other_programs_read_the_signal(session: Path) -> None:
    rows = np.genfromtxt(session / "eeg.csv", delimiter=",", skip_header=1)
    assert rows[:, 1].tolist() == [*range(20), 37, 38, 39]
    assert rows[1, 0] == 11 + 4_000_000
    assert (session / "eeg.csv").read_text().startswith("t_ns,seq,C3,C 4\n")


def test_without_raw_no_signal_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    writer = record(folder, CHUNKS["eeg"], raw=False)
    writer.state(STATE)
    writer.close()
    names = {"session.json", "states.jsonl", "predictions.jsonl", "events.jsonl"}
    assert {path.name for path in folder.iterdir()} == names
    recording = Recording(folder)
    assert recording.raw_kinds == ()
    assert list(recording.states()) == [STATE]
    with pytest.raises(RecordingError, match="holds no raw data"):
        recording.chunks("eeg")


@settings(max_examples=50, deadline=None)
@given(
    data=npst.arrays(
        np.float32,
        npst.array_shapes(min_dims=2, max_dims=2, max_side=4),
        elements=st.floats(width=32),
    )
)
def test_every_float_survives_the_csv(
    tmp_path_factory: pytest.TempPathFactory, data: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    info = StreamInfo("eeg", 250.0, tuple(map(str, range(data.shape[1]))), "uv", "a board")
    writer = CsvWriter(folder, info)
    writer.write(Chunk("eeg", 5, 6, 250.0, data))
    for file in writer.files:
        file.close()
    (chunk,) = read_csv(folder, "eeg", info)
    np.testing.assert_array_equal(chunk.samples, data)
    assert (np.signbit(chunk.samples) == np.signbit(data))[~np.isnan(data)].all()


@pytest.mark.parametrize("name", ["C3\r", "C\r3", "C3,left", "C3\n", "Ω é\u2028"])
def test_a_signal_is_read_whatever_its_channels_are_called(tmp_path: Path, name: str) -> None:
    info = StreamInfo("eeg", 250.0, ("C4", name), "uv", "a board")
    chunk = Chunk("eeg", 0, 0, 250.0, np.ones((2, 2), np.float32))
    writer = CsvWriter(tmp_path, info)
    writer.write(chunk)
    for file in writer.files:
        file.close()
    (read,) = read_csv(tmp_path, "eeg", info)
    assert same(read, chunk)


def test_an_occupied_folder_is_left_alone(session: Path) -> None:
    before = (session / "session.json").read_bytes()
    with pytest.raises(RecordingError, match="already holds a recorded session"):
        Writer(session, STREAMS, ManualClock()).open()
    assert (session / "session.json").read_bytes() == before


def test_a_closed_writer_takes_nothing(tmp_path: Path) -> None:
    writer = record(tmp_path / "session", [])
    writer.close()
    writer.close()
    with pytest.raises(ClosedError):
        writer.state(STATE)


def test_a_full_queue_drops_and_tells(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    writer = Writer(folder, NOTHING_BUT_EEG, ManualClock(), raw=True, queue_bytes=1)
    writer.open()
    count = 3000
    for i in range(count):
        writer.chunk(eeg(i * 10, i))
    writer.close()
    recording = Recording(folder)
    kept = len(list(recording.chunks("eeg")))
    told = sum(e["dropped"] for e in recording.events() if e["event"] == "recording overflow")
    assert writer.dropped > 0
    assert kept == count - writer.dropped
    assert told == writer.dropped


def test_what_does_not_fit_its_stream_is_left_out_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    wrong_rate = Chunk("eeg", 0, 0, 125.0, np.zeros((2, 2), np.float32))
    wrong_width = Chunk("eeg", 0, 0, 250.0, np.zeros((2, 3), np.float32))
    unknown = Chunk("nose", 0, 0, 250.0, np.zeros((2, 2), np.float32))
    words = line(0, 0, "in the wrong stream")
    chunks = [wrong_rate, wrong_width, unknown, words, eeg(0, 5)]
    record(folder, chunks, NOTHING_BUT_EEG).close()
    recording = Recording(folder)
    assert [chunk.t_ns for chunk in recording.chunks("eeg")] == [5]
    assert [event["event"] for event in recording.events()] == ["left out of the recording"] * 3


def test_a_stream_that_never_fits_does_not_fill_the_events(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    wrong = [Chunk("eeg", 0, 0, 125.0, np.zeros((2, 2), np.float32)) for _ in range(50)]
    record(folder, [*wrong, eeg(0, 5), *wrong], NOTHING_BUT_EEG).close()
    recording = Recording(folder)
    assert [event["event"] for event in recording.events()] == ["left out of the recording"] * 2


def test_a_frame_that_is_no_picture_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    streams = {"camera": STREAMS["camera"]}
    empty = Chunk("camera", 0, 0, 30.0, np.zeros((0, 0, 3), np.uint8))
    picture = Chunk("camera", 1, 5, 30.0, np.zeros((16, 16, 3), np.uint8))
    record(folder, [empty, picture], streams).close()
    recording = Recording(folder)
    assert [chunk.t_ns for chunk in recording.chunks("camera")] == [5]
    assert [event["event"] for event in recording.events()] == ["left out of the recording"]


def test_a_recording_that_fails_for_any_reason_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Late(ManualClock):
        def now_ns(self) -> int:
            if threading.current_thread().name == "recording":
                raise ValueError("a bug")
            return super().now_ns()

    writer = Writer(tmp_path / "session", NOTHING_BUT_EEG, Late(), raw=True)
    writer.open()
    assert writer._thread is not None
    writer._thread.join(10)
    for call in (lambda: writer.event({"event": "late"}), writer.close):
        with pytest.raises(RecordingError, match=r"failed: ValueError\('a bug'\)"):
            call()
    assert "Traceback" in caplog.text
    assert not Recording(tmp_path / "session").header.closed


def test_an_event_that_is_no_json_is_refused_at_once(tmp_path: Path) -> None:
    writer = record(tmp_path / "session", [])
    with pytest.raises(RecordingError, match="JSON"):
        writer.event({"value": float("nan")})
    writer.close()


def cut(path: Path, by: int) -> None:
    os.truncate(path, path.stat().st_size - by)


def forget_closing(folder: Path) -> None:
    path = folder / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "closed": False}))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("camera.mjpeg", "camera"),
        ("camera.times.csv", "camera"),
        ("microphone.wav", "microphone"),
        ("microphone.times.csv", "microphone"),
        ("eeg.csv", "eeg"),
        ("eeg.times.csv", "eeg"),
        ("text.jsonl", "text"),
    ],
)
def test_a_cut_end_costs_the_last_chunk_after_a_crash_and_is_damage_otherwise(
    session: Path, name: str, kind: Kind
) -> None:
    cut(session / name, 3)
    before = len(CHUNKS[kind]) - 1
    chunks = Recording(session).chunks(kind)
    with pytest.raises(RecordingError, match=f"{name} ends early"):
        list(chunks)
    assert len(list(Recording(session, repair=True).chunks(kind))) == before
    forget_closing(session)
    crashed = Recording(session)
    assert len(list(crashed.chunks(kind))) == before
    assert name in crashed.damage[0]


@pytest.mark.parametrize("kind", STREAMS)
def test_files_that_a_crash_left_empty_hold_nothing(session: Path, kind: Kind) -> None:
    for path in session.glob(f"{kind}.*"):
        path.write_bytes(b"")
    forget_closing(session)
    assert list(Recording(session).chunks(kind)) == []


@pytest.mark.parametrize("name", ["microphone.wav", "microphone.times.csv", "predictions.jsonl"])
def test_a_missing_file_is_named_and_holds_nothing_after_a_crash(session: Path, name: str) -> None:
    (session / name).unlink()
    with pytest.raises(RecordingError, match=f"{name} cannot be read: No such file"):
        list(read(Recording(session), name))
    forget_closing(session)
    crashed = Recording(session)
    assert list(read(crashed, name)) == []
    assert name in crashed.damage[0]


def read(recording: Recording, name: str) -> Iterator[object]:
    return recording.predictions() if "pred" in name else recording.chunks("microphone")


def test_a_stale_sound_header_is_fine(session: Path) -> None:
    path = session / "microphone.wav"
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = bytes(4)
    path.write_bytes(data)
    assert len(list(Recording(session).chunks("microphone"))) == 3


def rewrite_line(path: Path, number: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[number - 1] = text
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("name", "number", "text", "complaint"),
    [
        ("eeg.csv", 12, "40000123,10,1.0", "3 columns instead of 4"),
        ("eeg.csv", 12, "40000123,10,one,2", "not numbers"),
        ("eeg.csv", 12, "40000123,99,1,2", "sample 99 where 10 belongs"),
        ("eeg.times.csv", 3, "1,2", "2 values instead of 3"),
        ("eeg.times.csv", 3, "a,b,c", "not whole numbers"),
        ("eeg.times.csv", 3, "40000123,10,-10", "a negative length"),
    ],
)
def test_damage_names_file_and_line_and_spares_what_is_before(
    session: Path, name: str, number: int, text: str, complaint: str
) -> None:
    rewrite_line(session / name, number, text)
    chunks = Recording(session).chunks("eeg")
    assert same(next(chunks), CHUNKS["eeg"][0])
    with pytest.raises(RecordingError, match=f"{name}, line {number}: {complaint}"):
        next(chunks)
    repaired = Recording(session, repair=True)
    assert len(list(repaired.chunks("eeg"))) == 1
    assert complaint in repaired.damage[0]


@pytest.mark.parametrize("number", [10**10, 10**13, 10**19, 10**25])
@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("eeg", "0,0,{}"),
        ("microphone", "0,0,{}"),
        ("camera", "0,0,0,{}"),
        ("camera", "0,0,{},4"),
    ],
)
def test_an_index_that_names_more_than_there_is_costs_no_memory(
    session: Path, kind: Kind, row: str, number: int
) -> None:
    rewrite_line(session / f"{kind}.times.csv", 2, row.format(number))
    with pytest.raises(RecordingError, match="ends early"):
        next(Recording(session).chunks(kind))
    assert list(Recording(session, repair=True).chunks(kind)) == []


@pytest.mark.parametrize("text", ["{", "[1]", '{"posterior": 3}'])
def test_a_damaged_prediction_names_its_line(session: Path, text: str) -> None:
    rewrite_line(session / "predictions.jsonl", 2, text)
    predictions = Recording(session).predictions()
    assert next(predictions) == PREDICTION
    with pytest.raises(RecordingError, match=r"predictions\.jsonl, line 2"):
        next(predictions)


def test_a_broken_picture_names_its_frame(session: Path) -> None:
    path = session / "camera.mjpeg"
    data = bytearray(path.read_bytes())
    first = data.index(b"\xff\xd9") + 2
    data[first] = 0
    path.write_bytes(data)
    chunks = Recording(session).chunks("camera")
    assert next(chunks).seq == 0
    with pytest.raises(RecordingError, match=r"camera\.mjpeg, frame 1: no JPEG"):
        next(chunks)


def test_a_swapped_sound_file_is_noticed(session: Path) -> None:
    with wave.open(str(session / "microphone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(bytes(100))
    with pytest.raises(RecordingError, match=r"does not fit session\.json"):
        next(Recording(session).chunks("microphone"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 99}, "version 99"),
        ({"format": "holiday pictures"}, "format is not"),
        ({"streams": {"eeg": {"kind": "eeg"}}}, "no stream"),
        ({"streams": {"nose": {**json.loads("{}"), "kind": "nose"}}}, "no stream"),
        ({"raw": "maybe"}, "neither true nor false"),
        ({"started": None}, "is no text"),
    ],
)
def test_a_header_of_another_kind_is_refused(
    session: Path, change: dict[str, object], complaint: str
) -> None:
    path = session / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RecordingError, match=complaint) as caught:
        Recording(session)
    assert caught.value.hint


def test_a_folder_without_header_is_no_session(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="is no session folder"):
        Recording(tmp_path)
    (tmp_path / "session.json").write_text("{")
    with pytest.raises(RecordingError, match="no JSON"):
        Recording(tmp_path)


def test_a_stream_that_was_not_recorded_is_named_with_those_that_were(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    record(folder, [], NOTHING_BUT_EEG).close()
    with pytest.raises(RecordingError, match="has no camera") as caught:
        Recording(folder).chunks("camera")
    assert caught.value.hint == "its streams: eeg"


def test_a_long_stream_is_read_one_chunk_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    writer = Writer(folder, NOTHING_BUT_EEG, MonotonicClock(), raw=True)
    writer.open()
    for i in range(200):
        writer.chunk(eeg(i * 10, i))
    writer.close()
    os.truncate(folder / "eeg.csv", 60_000)
    chunks = Recording(folder).chunks("eeg")
    assert [next(chunks).seq for _ in range(50)] == [i * 10 for i in range(50)]
