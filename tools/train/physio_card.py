"""What the package of body signals declares and its card says."""

from __future__ import annotations

from export import Package, Tensor

from edge_emo.features.physio import FEATURES

LABELS = ("baseline", "stress")
WORDS = {
    "data": "Stress-Predict: 23 of 27 healthy adults with a wrist band (pulse 64 Hz, skin "
    "conductance 4 Hz). Ten minutes of rest, then a Stroop test, an interview before a panel and "
    "hyperventilation, each followed by rest. Baseline is all of the rest, stress all three tasks. "
    "Four people are left out because their button presses do not bound the tasks.",
    "split": [
        "By subject, 8 folds. Each fold's net was trained, its penalties, start and temperatures "
        "chosen, on the other subjects alone, then exported and run over the clips by the code of "
        "`edge-emo evaluate`. The package itself is trained on all 23 by the same recipe.",
        "With baseline: 180 s of the first rest, from the second minute on, which are no test "
        "clips. The same clips are scored with and without.",
        "The set of features, the window length, the start and the figure that the inner folds "
        "choose by were chosen on 8-fold answers of the same 23 people, so the figures are too "
        "good for that reason; the folds alone move a balanced recall by 0.02 to 0.03.",
        '161 whole periods are few: "calibration error by luck" is what a model with perfect '
        "posteriors would show on as many.",
        "Intervals are bootstrapped over subjects; the permutation test exchanges the labels of "
        "whole recordings and periods within subjects.",
    ],
    "intended_use": "A hint at bodily arousal under a task against rest, over minutes, for one "
    "person who sits. The arousal value is a mapping from stress: an assumption, not a "
    "measurement. There is no valence: pleasant excitement looks alike.",
    "not_for": [
        "Diagnosis, lie detection, or any decision about a person.",
        "People who walk or exercise: effort looks like stress.",
        "Heart rate or variability as medical values.",
    ],
    "limits": [
        "Stress while sitting quietly at a screen (the Stroop test) is hardly seen; speaking "
        "before a panel is.",
        "Part of the evidence is how still the wrist is, which a task changes as well as feelings.",
        "Rest came first in every recording, so drift of the electrodes is confounded with stress "
        "in part; rest after the tasks counts as baseline for that reason.",
        "One wrist band, one laboratory, 23 people: the intervals are wide.",
        "In half of the minutes a wrist pulse is not steady, and heart rate is rougher there; "
        "training, below, has the shares and the errors.",
    ],
}
LICENCE = {
    "weights": "Apache-2.0; attribution of Stress-Predict (MIT) required",
    "commercial": True,
    "corpora": [{"name": "stress-predict", "licence": "MIT"}],
}


def package(model: str, reliability: float) -> Package:
    """Return what model.toml declares; the temperatures are inside the network."""
    return Package(
        id=model,
        modality="physio",
        summary="Rest or stress from pulse and skin conductance, with or without a baseline.",
        licence=LICENCE,
        inputs=[Tensor("features", (1, 4 * len(FEATURES)), "NC")],
        outputs=[Tensor("logits", (1, len(LABELS)), "NC", labels=LABELS)],
        features={"window_s": 120.0, "first_s": 30.0, "hop_s": 10.0},
        dimensions={"source": "mapping", "arousal": {"baseline": -0.5, "stress": 0.5}},
        temperature=1.0,
        reliability=reliability,
        version="2.0.0",
    )
