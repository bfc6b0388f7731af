"""What is said, as words: a recogniser on the device writes them down, the text model reads them.

The microphone is opened once. A sink gets its sound, PocketSphinx (BSD licence, its English model
comes in the wheel) finds utterances and words in it, and each utterance goes to the text stream
with the time at which each word was said. Try it with a recording: --microphone wav:speech.wav
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edge_emo import Pipeline
from edge_emo.clock import Clock
from edge_emo.errors import UnavailableError
from edge_emo.features.audio import RateConverter
from edge_emo.sinks.base import Sink
from edge_emo.types import Chunk, EmotionState, Prediction, StreamInfo, Word

RATE_HZ = 16_000
Found = list[tuple[str, float, float]]


class PocketSphinx:
    """Finds utterances in sound, and their words.

    Raises:
        UnavailableError: PocketSphinx is not installed.
    """

    def __init__(self) -> None:
        try:
            from pocketsphinx import Decoder, Endpointer
        except ModuleNotFoundError as error:
            install = "pip install 'edge-emo[speech]'"
            raise UnavailableError("PocketSphinx is not installed", hint=install) from error
        self._ends = Endpointer(vad_mode=2, sample_rate=RATE_HZ)
        self._decoder = Decoder(samprate=RATE_HZ, loglevel="FATAL")
        self._sound, self._begin_s = b"", 0.0

    def accept(self, samples: np.ndarray[Any, np.dtype[np.float32]]) -> Iterator[Found]:
        """Take sound (n,) in −1 … +1; yields the words of each utterance that ended in it.

        A word comes with its begin and end in seconds since the first sample.
        """
        self._sound += (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        size = self._ends.frame_bytes
        while len(self._sound) >= size:
            frame, self._sound = self._sound[:size], self._sound[size:]
            if found := self._frame(frame):
                yield found

    def _frame(self, frame: bytes) -> Found:
        before = self._ends.in_speech
        speech = self._ends.process(frame)
        if speech is None:
            return []
        if not before:
            self._begin_s = self._ends.speech_start
            self._decoder.start_utt()
        self._decoder.process_raw(speech)
        if self._ends.in_speech:
            return []
        self._decoder.end_utt()
        return list(self._words())

    def _words(self) -> Iterator[tuple[str, float, float]]:
        for part in self._decoder.seg():
            if part.word[0].isalpha():  # not <s>, <sil>, [NOISE]
                begin_s, end_s = part.start_frame / 100, (part.end_frame + 1) / 100
                yield part.word.split("(")[0], self._begin_s + begin_s, self._begin_s + end_s


class Transcriber(Sink):
    """Gives the sound of the session to a recogniser, and its words to the session."""

    wants_all = True

    def __init__(self, recogniser: PocketSphinx) -> None:
        self.pipeline: Pipeline | None = None
        self._recogniser = recogniser
        self._resampler: RateConverter | None = None
        self._zero_ns: int | None = None

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Note the rate of the microphone."""
        self._resampler = RateConverter(streams["microphone"].rate_hz)

    def chunk(self, chunk: Chunk) -> None:
        """Take sound; push the utterances that ended in it."""
        if chunk.stream != "microphone" or self._resampler is None:
            return
        if self._zero_ns is None:
            self._zero_ns = chunk.t_ns
        for found in self._recogniser.accept(self._resampler.push(chunk.samples.mean(1))):
            self._push(found, self._zero_ns)

    def state(self, state: EmotionState) -> None:
        """Take a state; what to do with it is told in ``main``."""

    def close(self) -> None:
        """Keep nothing open."""

    def _push(self, found: Found, zero_ns: int) -> None:
        words = [
            Word(text, zero_ns + round(begin_s * 1e9), zero_ns + round(end_s * 1e9))
            for text, begin_s, end_s in found
        ]
        if self.pipeline:
            line = " ".join(word.text for word in words)
            print(f"heard {line!r}", flush=True)
            self.pipeline.push_text(line, speaker="guest", words=words)


def label_of(words: Prediction) -> str:
    """Return the likeliest category, or why there is none."""
    return words.posterior.label if words.posterior else f"no estimate: {words.abstained}"


def main() -> None:
    """Run until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--microphone", default="virtual:", help="such as portaudio:default")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()

    transcriber = Transcriber(PocketSphinx())
    with Pipeline(microphone=options.microphone, text="push:", sinks=[transcriber]) as pipeline:
        transcriber.pipeline = pipeline
        print("listening", flush=True)
        last_ns = -1
        for state in pipeline:
            words = state.by_modality.get("text")
            if words and words.t_ns > last_ns:
                last_ns = words.t_ns
                print(f"said at {last_ns / 1e9:.1f} s:", label_of(words), flush=True)
            if state.t_ns >= options.seconds * 1e9:
                break


if __name__ == "__main__":
    main()
