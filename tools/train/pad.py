"""Pleasure, arousal and dominance of the categories: the one table that labels are mapped by."""

from __future__ import annotations

from collections.abc import Mapping

PAD: Mapping[str, tuple[float, float, float]] = {
    "anger": (-0.51, 0.59, 0.25),
    "disgust": (-0.60, 0.35, 0.11),
    "fear": (-0.64, 0.60, -0.43),
    "happiness": (0.81, 0.51, 0.46),
    "neutral": (0.0, 0.0, 0.0),
    "sadness": (-0.63, -0.27, -0.33),
    "surprise": (0.40, 0.67, -0.13),
}
"""Means of the terms angry, disgusted, fearful, happy, sad and surprised in Russell and Mehrabian,
"Evidence for a three-factor theory of emotions", J. Research in Personality 11, 1977. Neutral is
their origin."""
