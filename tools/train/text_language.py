"""The table of ``features.text_language`` from the n-gram counts of langdetect's profiles.

python tools/train/text_language.py PROFILES DATA

Everyday English is not that of an encyclopedia: its counts are the mean of the profile's and those
of the corpora in DATA whose licence allows commercial use, training parts only.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from text_data import read_corpora

from edge_emo.features.text import tokens
from edge_emo.features.text_language import (
    BUCKETS,
    ENGLISH,
    TABLE,
    UNIT_NATS,
    buckets,
    words_of,
)

LATIN = "af cs cy da de en es et fi fr hr hu id it lt lv nl no pl pt ro sk sl so sq sv sw tl tr vi"
FLOOR = 2e-6
"""Probability of an n-gram that a language does not have."""
COMMON = 8


def main() -> None:
    """Write the table from the folder of profiles named on the command line."""
    names = LATIN.split()
    shares = np.stack([_shares(Path(sys.argv[1]) / name) for name in names], 1)
    english = names.index(ENGLISH)
    shares[:, english] = (shares[:, english] + _spoken(Path(sys.argv[2]))) / 2
    table = np.log(shares + FLOOR)
    table -= table.mean(1, keepdims=True)
    steps = np.clip(np.round(table / UNIT_NATS), -127, 127).astype(np.int8)
    np.savez_compressed(TABLE, names=np.array(names), table=steps)
    print(f"{TABLE.name}: {steps.shape}, {TABLE.stat().st_size} bytes")


def _shares(profile: Path) -> npt.NDArray[np.float64]:
    """Return the share of each bucket among the n-grams of one language."""
    content = json.loads(profile.read_text(encoding="utf-8"))
    total = np.zeros(BUCKETS)
    for gram, count in content["freq"].items():
        if len(gram) > 1:
            place = zlib.crc32(gram.lower().encode()) % BUCKETS
            total[place] += count / content["n_words"][len(gram) - 1]
    return total


def _spoken(data: Path) -> npt.NDArray[np.float64]:
    """Return the same of English sentences, twice: bigrams and trigrams each sum to one above."""
    sentences = [s for s in read_corpora(data, commercial=True) if s.split == "train"]
    counts = Counter(word for s in sentences for word in words_of(tokens(s.text)))
    total = np.zeros(BUCKETS)
    for word, count in counts.items():
        if count >= COMMON:  # others are names and words of other languages
            np.add.at(total, list(buckets(word)), count)
    return 2 * total / total.sum()


if __name__ == "__main__":
    main()
