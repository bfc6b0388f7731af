"""Words: each line is judged, then estimated together with what was said before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_emo.clock import Clock
from edge_emo.errors import ClosedError, ConfigError, ModelError
from edge_emo.estimators.base import Features
from edge_emo.estimators.calibration import dimensions, posterior
from edge_emo.estimators.packaged import PackagedEstimator
from edge_emo.features import text_language
from edge_emo.features.settings import is_finite, odd_number
from edge_emo.features.text import MAX_LETTERS, TextSpec, context_rows, sentence_rows, tokens
from edge_emo.manifest import ModelPackage, is_dimensional
from edge_emo.runtime.base import LoadedModel
from edge_emo.types import Chunk, Kind, Modality, Prediction, Said, StreamInfo, Tags, Utterance

UTTERANCES = 3
"""How many utterances before a line are read at most."""


@dataclass(frozen=True, slots=True)
class TextSettings:
    """The table ``[features]`` of a text package.

    Attributes:
        spec: How sentences become rows of the model's table.
        context_s: How old an utterance may be to count as said before; 0 when the model was
            not trained on any and reads none, given or not.
        languages: ISO 639-1 codes of the languages that the model knows.
        emoji: Emoji and emoticons that the model knows.
        thresholds: By name of a multi-label output: the least score of each label that counts.
    """

    spec: TextSpec
    context_s: float
    languages: Sequence[str]
    emoji: Sequence[str]
    thresholds: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, package: ModelPackage) -> TextSettings:
        """Read them from a package.

        Raises:
            ModelError: A key is missing, or they do not fit the model's tensors.
        """
        given = dict(package.features)
        if odd := odd_number(TextSpec, given) or odd_number(cls, given):
            raise ModelError(f"{package.id}: [features] {odd}")
        try:
            spec = TextSpec(**{field.name: given.pop(field.name) for field in fields(TextSpec)})
            settings = cls(spec, **given)
        except (KeyError, TypeError) as error:
            raise ModelError(f"{package.id}: [features] of model.toml: {error}") from error
        settings._check(package)
        return settings

    def _check(self, package: ModelPackage) -> None:
        spec = self.spec
        if min(asdict(spec).values()) < 1 or spec.least > spec.most or self.context_s < 0:
            raise ModelError(f"{package.id}: [features] no rows can be made like that")
        if not _are_names(self.languages) or not _are_names(self.emoji):
            raise ModelError(f"{package.id}: [features] languages and emoji are lists of texts")
        if not _are_shares(self.thresholds):
            raise ModelError(f"{package.id}: [features] thresholds are tables of shares, 0 … 1")
        shapes = [(1, spec.words, spec.ids), (1, spec.context, spec.ids)]
        if [tensor.shape for tensor in package.inputs] != shapes:
            raise ModelError(f"{package.id}: [features] give inputs of {shapes}")
        labels = {output.name: set(output.labels) for output in package.outputs}
        for name, table in self.thresholds.items():
            if labels.get(name) != set(table):
                raise ModelError(f"{package.id}: thresholds.{name} are not of its labels")
        if tuple(self.languages) != (text_language.ENGLISH,):
            raise ModelError(f"{package.id}: languages {self.languages}: only en can be told")


def _are_names(values: Any) -> bool:
    return isinstance(values, (list, tuple)) and all(type(value) is str for value in values)


def _are_shares(tables: Any) -> bool:
    return isinstance(tables, Mapping) and all(
        isinstance(table, Mapping)
        and all(is_finite(value) and 0.0 <= value <= 1.0 for value in table.values())
        for table in tables.values()
    )


class TextEstimator(PackagedEstimator):
    """Estimates the emotion that words express, line by line.

    A line is read together with up to three lines before it, by whoever said them. A line
    without words, of another language, or too long to be an utterance abstains and says so.

    Args:
        package: A package of the modality text.
        model: It, loaded.
        clock: The session clock, which times the inference.

    Raises:
        ModelError: The package's ``[features]`` are not those of a text model.
    """

    modality: Modality = "text"
    kind: Kind = "text"

    def __init__(self, package: ModelPackage, model: LoadedModel, clock: Clock) -> None:
        super().__init__(package, model, clock)
        self._settings = TextSettings.of(package)
        self._said: deque[tuple[int, Said]] | None = None

    def start(self, info: StreamInfo) -> None:
        """Prepare for a stream of lines; forgets what was said before.

        Raises:
            ConfigError: It carries no text.
        """
        if info.kind != self.kind:
            raise ConfigError(f"text needs lines, not {info.device} ({info.kind})")
        self._said = deque(maxlen=UTTERANCES)

    def features(self, chunk: Chunk) -> list[Features]:
        """Take a line; return what the model reads of it, or why it cannot be estimated.

        Raises:
            ClosedError: :meth:`start` was not called.
        """
        if self._said is None:
            raise ClosedError("the text estimator was not started", hint="call start() first")
        utterance = chunk.utterance or Utterance()
        known = self._recent(chunk.t_ns) if utterance.before is None else utterance.before
        judged = self._judged(chunk, utterance, known)
        if judged.tensors:
            self._said.append((chunk.end_ns, Said(utterance.speaker, chunk.text)))
        return [judged]

    def predict(self, features: Features) -> Prediction:
        """Run the model on one line, or abstain with the reason."""
        if features.reason is not None:
            return self._abstain(features, features.reason)
        before_ns = self._clock.now_ns()
        outputs = self._model.run(features.tensors)
        inference_ns = self._clock.now_ns() - before_ns
        spec = self._package.categories
        estimate = posterior(spec.labels, outputs[spec.name], self._package.temperature)
        values = dimensions(self._package, estimate, outputs)
        prediction = self._prediction(features, estimate, values, inference_ns)
        return replace(prediction, tags=self._tags(outputs))

    def clip(self, chunk: Chunk) -> Prediction:
        """Estimate one line by itself, or with the context that it brings."""
        utterance = chunk.utterance or Utterance()
        return self.predict(self._judged(chunk, utterance, utterance.before or ()))

    def _recent(self, t_ns: int) -> tuple[Said, ...]:
        oldest_ns = t_ns - round(self._settings.context_s * 1e9)
        return tuple(said for end_ns, said in self._said or () if end_ns >= oldest_ns)

    def _judged(self, chunk: Chunk, utterance: Utterance, before: Sequence[Said]) -> Features:
        duration_ns = chunk.end_ns - chunk.t_ns
        words = tokens(chunk.text)
        if reason := self._reason(chunk.text, words):
            return Features(chunk.t_ns, duration_ns, 0.0, {}, reason)
        spec = self._settings.spec
        heard = before[-UTTERANCES:] if self._settings.context_s > 0 else ()
        said = [(one.speaker == utterance.speaker, one.text) for one in heard]
        rows = (sentence_rows(words, spec), context_rows(said, spec))
        inputs = (tensor.name for tensor in self._package.inputs)
        tensors = dict(zip(inputs, rows, strict=True))
        return Features(chunk.t_ns, duration_ns, _quality(words, spec), tensors)

    def _reason(self, text: str, words: Sequence[str]) -> str:
        """Return why a line cannot be estimated; empty when it can."""
        if len(text) > MAX_LETTERS:
            return f"longer than {MAX_LETTERS} letters: no utterance"
        if not any(word[0].isalpha() for word in words):
            return self._wordless(words)
        verdict = text_language.judge(words)
        if not verdict.english:
            return f"not a language this model knows (looks like: {verdict.language})"
        return ""

    def _wordless(self, words: Sequence[str]) -> str:
        """Return why a line without letters cannot be estimated; known emoji can."""
        if any(word in self._settings.emoji for word in words):
            return ""
        odd = any(not word.isascii() and not word[0].isalnum() for word in words)
        return "no words, and no emoji that this model knows" if odd else "no words"

    def _tags(self, outputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tags]:
        return {
            spec.name: _tags_of(
                spec.labels, outputs[spec.name], self._settings.thresholds[spec.name]
            )
            for spec in self._package.outputs
            if spec.name in self._settings.thresholds and not is_dimensional(spec)
        }


def _tags_of(
    labels: tuple[str, ...], scores: npt.NDArray[Any], thresholds: Mapping[str, float]
) -> Tags:
    row = np.clip(np.asarray(scores, np.float64).reshape(-1), 0.0, 1.0)
    if np.isnan(row).any():
        raise ModelError(
            f"the model gave {row.tolist()} for the labels {', '.join(labels)}",
            hint="compare backends with: edge-emo evaluate --backend",
        )
    return Tags(labels, tuple(row.tolist()), tuple(thresholds[name] for name in labels))


def _quality(words: Sequence[str], spec: TextSpec) -> float:
    """Return how much there is to go by: one word tells little, an unread part is unknown.

    The curve is a judgement: full from five words on.
    """
    said = sum(word[0].isalpha() for word in words)
    return min(1.0, 0.4 + 0.12 * said) * min(1.0, spec.words / len(words))
