"""What the EEG package declares and its card says."""

from __future__ import annotations

from eeg_data import FIRST_S, HIGHPASS_HZ, HOP_S, WINDOW_S
from export import Package, Tensor

from edge_emo.features.eeg import FEATURES

WORDS = {
    "data": "EEGMAT: rest, then mental arithmetic (serial subtraction), 28 subjects of 16 to 26 "
    "years, 19 electrodes against linked ears, resampled to 128 Hz. The publisher removed "
    "artefacts with independent components, so blinks and muscles are rarer than in life.",
    "split": [
        "By subject, 7 folds. Each fold's net was trained, its penalties, start and temperatures "
        "chosen, on the other subjects alone, then exported and run over the clips by the code of "
        "`edge-emo evaluate`. The package itself is trained on all 28 by the same recipe.",
        "With baseline: the first 30 s of the rest recording, which are no test clips. The same "
        "clips are scored with and without.",
        "The set of bands, regions and columns, the penalties on offer and the rule for the "
        "temperatures were chosen on 7-fold answers of the same people, so the figures are a "
        "little too good for that reason; the area of 19 channels without baseline is at its floor "
        "of 0.80 by less than that.",
        "Intervals are bootstrapped over subjects; the permutation test exchanges the labels of "
        "whole recordings and periods within subjects.",
        "Smaller montages are taken from the same 19 electrodes: 14 near those of an EPOC, 8 of "
        "an OpenBCI, T3 Fp1 Fp2 T4 near those of a headband. 32 channels were not measured: no "
        "data here has them; a test feeds a made signal of 32.",
        '"Calibration error by luck" is what a model with perfect posteriors would show on as '
        "many clips.",
    ],
    "intended_use": "A hint at mental load against rest, for one person who sits still; better "
    "after half a minute of that person's rest. The arousal value is a mapping from load: an "
    "assumption, not a measurement. There is no valence, because these data cannot show any.",
    "not_for": [
        "Naming an emotion, diagnosis, or any decision about a person.",
        "Comparing persons: people differ more from each other than rest differs from load.",
        "People who move, talk or chew.",
    ],
    "limits": [
        "Rest came before arithmetic in every recording, so drowsiness and time are confounded "
        "with load.",
        "The bands weigh alpha, which closed eyes raise: rest with open eyes may look like load.",
        "One laboratory, one amplifier, young adults. Other montages were only "
        "taken from the same recordings; no other reference and no other headset was tested.",
        "Felt arousal is not mental load: on DASPS (anxious situations, 14 channels) nets trained "
        "on it tell nothing, and this package little; see Felt arousal and valence.",
        "With 4 channels, and with a baseline over 30 s, probabilities are less well calibrated.",
        "A baseline is from the same sitting. How well one from yesterday serves is not known.",
    ],
}
LICENCE = {
    "weights": "Apache-2.0; attribution of EEGMAT (ODC-BY-1.0) required",
    "commercial": True,
    "corpora": [{"name": "eegmat", "licence": "ODC-BY-1.0"}],
}


def package(model: str, labels: tuple[str, ...], reliability: float) -> Package:
    """Return what model.toml declares; the temperatures are inside the network."""
    return Package(
        id=model,
        modality="eeg",
        summary="Rest or mental load from EEG spectra by scalp region, any 10-20 montage, with or "
        "without a baseline.",
        licence=LICENCE,
        inputs=[Tensor("features", (1, 4 * len(FEATURES)), "NC")],
        outputs=[Tensor("logits", (1, len(labels)), "NC", labels=labels)],
        features={
            "window_s": WINDOW_S,
            "first_s": FIRST_S,
            "hop_s": HOP_S,
            "highpass_hz": HIGHPASS_HZ,
        },
        dimensions={"source": "mapping", "arousal": {"rest": -0.5, "load": 0.5}},
        temperature=1.0,
        reliability=reliability,
        version="2.1.0",
    )
