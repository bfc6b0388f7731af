"""What the EEG package declares and its card says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from eeg_data import HIGHPASS_HZ, HOP_S, WINDOW_S
from eeg_net import LABELS
from export import Package, Record, Tensor

from edge_emo.features.eeg import FEATURES

WORDS = {
    "data": "EEGMAT: rest, then mental arithmetic (serial subtraction), 28 subjects of 16 to 26 "
    "years, 19 electrodes against linked ears, resampled to 128 Hz. The publisher removed "
    "artefacts with independent components, so blinks and muscles are rarer than in life.",
    "split": [
        "By subject. Five subjects are held out: not trained on, and not used to choose a setup, "
        "the temperature or the reliability.",
        "The set of features was chosen earlier, on 7-fold answers of all 28 subjects, the five "
        "included: the held-out figures are a little too good for that reason.",
        "Setups are compared, and temperature and reliability fitted, on out-of-fold answers of "
        "a 7-fold split of the other 23 subjects.",
        "Held-out clips hold both labels alike, although rest recordings are three times longer.",
    ],
    "intended_use": "A hint at mental load against rest, averaged over half a minute or more, "
    "for one person who sits still. The arousal value is a mapping from load: an assumption, "
    "not a measurement. There is no valence, because these data cannot show any.",
    "not_for": [
        "Naming an emotion, diagnosis, or any decision about a person.",
        "Comparing persons: people differ more from each other than rest differs from load.",
        "People who move, talk or chew.",
    ],
    "limits": [
        "Five held-out subjects are few: trust the 7-fold figures under What was tried, which "
        "are of 23 subjects and lower.",
        "Unknown people: most of the error is between persons. Within one person the order of "
        "windows is better than the threshold; see auc within subject under What was tried.",
        "Rest came before arithmetic in every recording, so drowsiness and time are confounded "
        "with load.",
        "The bands weigh alpha, which closed eyes raise: rest with open eyes may look like load.",
        "One laboratory, one amplifier, young adults. Other references and montages were only "
        "simulated from the same recordings; no other headset was tested.",
        "The 4 channels are T3 F7 F8 T4, the nearest that the data have to a headband.",
    ],
}
LICENCE = {
    "weights": "Apache-2.0; attribution of EEGMAT (ODC-BY-1.0) required",
    "commercial": True,
    "corpora": [{"name": "eegmat", "licence": "ODC-BY-1.0"}],
}


def package(model: str, temperature: float, reliability: float) -> Package:
    """Return what model.toml declares."""
    return Package(
        id=model,
        modality="eeg",
        summary="Rest or mental load from EEG band powers by scalp region, any 10-20 montage.",
        licence=LICENCE,
        inputs=[Tensor("features", (1, 2 * len(FEATURES)), "NC")],
        outputs=[Tensor("logits", (1, len(LABELS)), "NC", labels=LABELS)],
        features={"window_s": WINDOW_S, "hop_s": HOP_S, "highpass_hz": HIGHPASS_HZ},
        dimensions={"source": "mapping", "arousal": {"rest": -0.5, "load": 0.5}},
        temperature=temperature,
        reliability=reliability,
    )


def record(
    chosen: str,
    setup: Any,
    subjects: Sequence[int],
    held_out: Sequence[int],
    log: Sequence[Mapping[str, Any]],
) -> Record:
    """Return what the card says besides evaluations.

    Args:
        chosen: Name of the setup.
        setup: The setup itself.
        subjects: Trained on.
        held_out: Not trained on.
        log: Rows that the verb ``cross`` wrote.
    """
    training = {
        "setup": chosen,
        **asdict(setup),
        "subjects": len(subjects),
        "held out": ", ".join(f"Subject{number:02d}" for number in held_out),
    }
    return Record(training, [_attempt(row, chosen) for row in log], WORDS)


def _attempt(row: Mapping[str, Any], chosen: str) -> dict[str, Any]:
    keys = ("setup", "seed", "montage")
    return {
        "what": f"{row['setup']}; {row['montage']}; 7-fold by subject, seed {row['seed']}",
        "figures": {key: value for key, value in row.items() if key not in keys},
        "kept": row["setup"] == chosen,
    }
