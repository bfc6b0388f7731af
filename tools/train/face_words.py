"""What the cards of the face packages say in words, and the licences of their corpora."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LICENCE: Mapping[str, Any] = {
    "weights": "research only: trained on pictures gathered from the web",
    "commercial": False,
    "corpora": [
        {"name": "FER2013", "licence": "pictures gathered from the web: research"},
        {"name": "FER+ votes", "licence": "MIT"},
        {"name": "DiffusionFER", "licence": "CC0-1.0"},
        {"name": "Face mask detection scenes", "licence": "CC0-1.0"},
        {"name": "LFW", "licence": "research"},
    ],
}
NOT_FOR = [
    "What somebody feels or intends: a face shows an expression, not its cause.",
    "Decisions about people: hiring, schooling, credit, policing, health, insurance.",
    "Identifying or singling out people; watching people who were not told.",
    "Commercial products: see the licences.",
]
_SPLIT = (
    "The corpus does not say who is in a picture, so the same person may be on both sides. "
    "Validation rows choose the temperature, the lift of rare categories and whether int8 is "
    "shipped; PublicTest was read for the figures below only. FER2013 holds pictures more than "
    "once, cut or lit a little differently, and training has copies of some that PublicTest has: "
    "rows less near copies leave out pictures whose pixels correlate with one of Training by 0.95 "
    "or more."
)
VOTED: Mapping[str, Any] = {
    "data": "FER2013 pictures, 48×48 px grey, with the votes of ten raters of FER+; their shares "
    "are the targets, less votes for unknown, no face and contempt, and rows led by one of those "
    "teach the second head only. 1,033 synthetic faces of DiffusionFER (one label, valence and "
    "arousal each). 1,295 crops of LFW and the faces of 493 scenes, most of them masked, without "
    "expression labels: there the teachers' answers are the targets. Masks, hands and dark "
    "glasses are painted on an eighth of the pictures, in the last steps on a twelfth.",
    "split": "Training for training, less pictures that PublicTest also has, and less 7 % kept "
    "back for validation, identical pictures on one side; synthetic faces by runs of twelve. "
    + _SPLIT + " Pictures on which two categories tie have no label and are left out.",
    "intended_use": [
        "An estimate of the expression of a face in view, as one vote of a fusion.",
        "Research and demonstration.",
    ],
    "not_for": NOT_FOR,
    "limits": [
        "Disgust and fear are rare in the corpus and the least reliable: see the confusion.",
        "Trained on still pictures gathered by search words, so expressions are often posed.",
        "Who is in the corpus is unknown; figures by age, sex and skin colour were not measured.",
        "Figures are for the corpus' crops; behind a camera, finding the face lowers them by an "
        "amount that was not measured. Heads turned out of the picture plane were not measured.",
        "Valence and arousal are learnt from ratings of synthetic faces, mostly of young women, "
        "and on photographs from a mapping of the estimated categories; how well they agree "
        "with ratings of real faces was not measured. Dominance is a mapping only.",
        "Whether eyes or mouth are covered is learnt from painted covers and from masks; hands "
        "and scarves of photographs were not measured.",
    ],
}  # fmt: skip
PUBLISHED: Mapping[str, Any] = {
    "data": "As face-expression-small, from which it parts for the last steps: there the loss "
    "weighs the one label that FER2013 was published with, and the teachers' answers to it, "
    "most.",
    "split": "As face-expression-small. " + _SPLIT,
    "intended_use": [
        "Comparison with work that reports on the labels that FER2013 was published with.",
    ],
    "not_for": [
        "Use on a device: two labels of three at most agree with the majority of ten raters, "
        "which face-expression-small estimates.",
        *NOT_FOR,
    ],
    "limits": [
        "The labels come from search words and one annotator; see the confusion.",
        "The file for Jetson is float16. In int8, smaller and no worse on validation data, a "
        "posterior differed by 0.027 between an emulated Arm machine and x86, while their crops "
        "still differed by a grey level.",
    ],
}
FAULTS = (
    "PublicTest with FER+ majority, pictures made worse on purpose, LiteRT files, after every "
    "choice was made; also what the estimator would refuse. The corpus has 48 px, so that the "
    "larger sizes only show what resizing costs. Covers are other ones than those painted in "
    "training: one flat grey below the nose, one dark bar over the eyes."
)
