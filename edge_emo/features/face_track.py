"""Following faces through a stream: stable ids, and the one person who counts.

Faces are detected on a beat of originating time; in between, and through short occlusion, each
face moves on with its last speed. The answer depends on the frames and their times alone, so a
replay gives the same ids.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edge_emo.errors import ConfigError
from edge_emo.features.face_detector import DetectedFace, Detects, Point, box_overlap, detected

Image = npt.NDArray[np.uint8]
Shape = tuple[int, int]
"""Height and width of the frame, px."""

_STEADY = 0.05
"""When centre and landmarks move by less than this share of the face's side, that is taken for
trembling and averaged."""
_DAMPING_S = 0.3
"""Time after which an unseen face has lost most of its speed."""


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How faces are followed.

    Attributes:
        detect_interval_s: Least originating time between two detections; 0 detects in every
            frame that is given.
        begin_score: Least score of a face that is not followed yet. Those followed may have
            any that the detector gives (Zhang et al., "ByteTrack", ECCV 2022).
        keep_s: A face that is not seen for longer is forgotten, and its id with it.
        overlap: Least intersection over union of a face with its expected place.
        reach: Or greatest distance of the centres in sides of the face, for quick moves.
        size_ratio: Greatest change of size from one detection to the next.
        policy: Name in :data:`POLICIES`: which person counts.
        switch_ratio: Another person must be so much better …
        switch_after_s: … for so long before the choice changes.
    """

    detect_interval_s: float = 0.1
    begin_score: float = 0.0
    keep_s: float = 1.0
    overlap: float = 0.2
    reach: float = 0.8
    size_ratio: float = 1.8
    policy: str = "largest_central"
    switch_ratio: float = 1.3
    switch_after_s: float = 0.5


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """One face of the stream.

    Attributes:
        id: Stays with the person while they are followed; from 1, never used again.
        face: Where it is, or where it is expected when not ``seen``.
        seen: True when the last detection found it.
        first_ns: Originating time at which it was first seen.
        last_ns: Originating time at which it was last seen.
        speed: Of the centre, px/s.
    """

    id: int
    face: DetectedFace
    seen: bool
    first_ns: int
    last_ns: int
    speed: Point


class FaceTracker:
    """Follows every face of one stream. Not thread-safe.

    Args:
        detector: Finds faces in single frames.
        settings: How they are followed.

    Raises:
        ConfigError: There is no such policy.
    """

    def __init__(self, detector: Detects, settings: TrackSettings | None = None) -> None:
        self._detector = detector
        self._settings = settings or TrackSettings()
        self._chooser = PersonChooser(self._settings)
        self._next_id = 1
        self.reset()

    def reset(self) -> None:
        """Forget all faces; their ids are not given again."""
        self._faces: list[TrackedFace] = []
        self._now: tuple[TrackedFace, ...] = ()
        self._detected_ns: int | None = None
        self._frame_ns: int | None = None
        self._gap_ns = 0
        self._chooser.reset()

    @property
    def faces(self) -> Sequence[TrackedFace]:
        """Every face that is followed, the oldest first, as of the last frame."""
        return self._now

    @property
    def person(self) -> TrackedFace | None:
        """The face that counts, or None while there is none."""
        return next((f for f in self._now if f.id == self._chooser.chosen), None)

    def update(self, frame: Image, t_ns: int) -> Sequence[TrackedFace]:
        """Take the next frame and return every face that is followed.

        Args:
            frame: RGB uint8 (height, width, 3).
            t_ns: Its originating time; not before the last one's.
        """
        keep_ns = round(self._settings.keep_s * 1e9)
        usual_ns = self._note_frame(t_ns)
        if self._is_due(t_ns):
            self._detected_ns = t_ns
            # A time without frames, as behind a mute; a slow camera's are as far apart as before.
            self._forget(t_ns - keep_ns - self._interval_ns - 2 * usual_ns)
            self._faces = self._matched(self._detector.detect(frame), t_ns)
        self._forget(t_ns - keep_ns)
        self._now = tuple(_expected(face, t_ns) for face in self._faces)
        height, width = frame.shape[:2]
        self._chooser.choose(self._now, (height, width), t_ns)
        return self._now

    def _note_frame(self, t_ns: int) -> int:
        """Return how far apart the last two frames were, before this one; 0 when unknown."""
        usual_ns = self._gap_ns
        self._gap_ns = 0 if self._frame_ns is None else t_ns - self._frame_ns
        self._frame_ns = t_ns
        return usual_ns

    def _forget(self, before_ns: int) -> None:
        """Forget the faces that were last seen before a time."""
        self._faces = [face for face in self._faces if face.last_ns >= before_ns]

    def _is_due(self, t_ns: int) -> bool:
        return self._detected_ns is None or t_ns - self._detected_ns >= self._interval_ns

    @property
    def _interval_ns(self) -> int:
        return round(self._settings.detect_interval_s * 1e9)

    def _matched(self, found: list[DetectedFace], t_ns: int) -> list[TrackedFace]:
        expected = [_expected(face, t_ns) for face in self._faces]
        partner = self._partners(expected, found)
        kept = [
            _moved(old, found[partner[k]], t_ns) if k in partner else replace(old, seen=False)
            for k, old in enumerate(self._faces)
        ]
        others = (face for j, face in enumerate(found) if j not in partner.values())
        new = [face for face in others if face.score >= self._settings.begin_score]
        return kept + [self._begun(face, t_ns) for face in new]

    def _begun(self, face: DetectedFace, t_ns: int) -> TrackedFace:
        self._next_id += 1
        return TrackedFace(self._next_id - 1, face, True, t_ns, t_ns, Point(0.0, 0.0))

    def _partners(
        self, expected: Sequence[TrackedFace], found: Sequence[DetectedFace]
    ) -> dict[int, int]:
        """Return the found face of each track, the nearest pairs first, each used once."""
        if not expected or not found:
            return {}
        likeness = self._likeness([track.face for track in expected], found)
        partner: dict[int, int] = {}
        for flat in np.argsort(-likeness, axis=None, kind="stable"):
            k, j = divmod(int(flat), len(found))
            if likeness[k, j] <= -np.inf:
                break
            if k not in partner and j not in partner.values():
                partner[k] = j
        return partner

    def _likeness(
        self, ours: Sequence[DetectedFace], theirs: Sequence[DetectedFace]
    ) -> npt.NDArray[np.float64]:
        """Return overlap less distance for each pair, −∞ where they cannot be one face."""
        settings = self._settings
        overlap = box_overlap(detected(ours), detected(theirs)).astype(np.float64)
        sides = np.maximum([f.side for f in ours], 1.0)[:, np.newaxis]
        others = np.maximum([f.side for f in theirs], 1.0)[np.newaxis]
        apart = np.array([[math.dist(a.centre, b.centre) for b in theirs] for a in ours])
        apart = apart / np.minimum(sides, others)
        grown = np.maximum(sides / others, others / sides)
        possible = (overlap >= settings.overlap) | (apart <= settings.reach)
        possible &= grown <= settings.size_ratio
        return np.where(possible, overlap - apart, -np.inf)


Policy = Callable[[TrackedFace, Shape], float]


def largest_central(track: TrackedFace, shape: Shape) -> float:
    """Return the side in pixels, less up to half of it towards the corners."""
    off_x = track.face.centre.x / shape[1] - 0.5
    off_y = track.face.centre.y / shape[0] - 0.5
    return track.face.side * max(0.0, 1.0 - math.hypot(off_x, off_y) / math.sqrt(2.0))


def largest(track: TrackedFace, shape: Shape) -> float:
    """Return the side in pixels."""
    return track.face.side


def longest(track: TrackedFace, shape: Shape) -> float:
    """Return for how long the face is followed, in seconds."""
    return (track.last_ns - track.first_ns) / 1e9


POLICIES: Mapping[str, Policy] = {
    "largest_central": largest_central,
    "largest": largest,
    "longest": longest,
}
"""Which person counts: the one with the highest value."""


class PersonChooser:
    """Keeps to one person until another is clearly better for a while.

    A person who is hidden keeps the choice while their track lives, unless somebody is seen
    who waits long enough.

    Args:
        settings: Policy, ratio and time.

    Raises:
        ConfigError: There is no such policy.
    """

    def __init__(self, settings: TrackSettings) -> None:
        if settings.policy not in POLICIES:
            raise ConfigError(
                f"face.policy = {settings.policy!r} is unknown",
                hint=f"choose from: {', '.join(POLICIES)}",
            )
        self._value = POLICIES[settings.policy]
        self._ratio = settings.switch_ratio
        self._after_ns = round(settings.switch_after_s * 1e9)
        self.reset()

    def reset(self) -> None:
        """Forget the choice."""
        self.chosen: int | None = None
        self._rival: int | None = None
        self._rival_since_ns = 0

    def choose(self, faces: Sequence[TrackedFace], shape: Shape, t_ns: int) -> int | None:
        """Return the id of the person who counts, or None.

        Args:
            faces: All that are followed.
            shape: Height and width of the frame, px.
            t_ns: Originating time of the frame.
        """
        current = next((face for face in faces if face.id == self.chosen), None)
        best = max(
            (face for face in faces if face.seen),
            key=lambda face: (self._value(face, shape), -face.id),
            default=None,
        )
        if current is None:
            self.chosen, self._rival = (best.id if best else None), None
        elif best is None or not self._beats(best, current, shape):
            self._rival = None
        elif self._has_waited(best.id, t_ns):
            self.chosen, self._rival = best.id, None
        return self.chosen

    def _beats(self, rival: TrackedFace, current: TrackedFace, shape: Shape) -> bool:
        if rival.id == current.id:
            return False
        bar = self._ratio * self._value(current, shape) if current.seen else 0.0
        return self._value(rival, shape) > bar

    def _has_waited(self, rival: int, t_ns: int) -> bool:
        if rival != self._rival:
            self._rival, self._rival_since_ns = rival, t_ns
        return t_ns - self._rival_since_ns >= self._after_ns


def _expected(track: TrackedFace, t_ns: int) -> TrackedFace:
    """Return a track moved on to a later time; its speed dies away while it is unseen."""
    elapsed_s = (t_ns - track.last_ns) / 1e9
    if elapsed_s <= 0.0:
        return track
    way_s = _DAMPING_S * (1.0 - math.exp(-elapsed_s / _DAMPING_S))
    return replace(track, face=track.face.moved(track.speed.x * way_s, track.speed.y * way_s))


def _moved(old: TrackedFace, new: DetectedFace, t_ns: int) -> TrackedFace:
    """Return a track at its new place, steadied when it hardly moved."""
    elapsed_s = max((t_ns - old.last_ns) / 1e9, 1e-3)
    step = Point(new.centre.x - old.face.centre.x, new.centre.y - old.face.centre.y)
    still = _greatest_move(old.face, new) < _STEADY * new.side
    speed = Point(
        0.5 * old.speed.x + 0.5 * step.x / elapsed_s, 0.5 * old.speed.y + 0.5 * step.y / elapsed_s
    )
    return replace(
        old,
        face=_mean(old.face, new) if still else new,
        seen=True,
        last_ns=t_ns,
        speed=Point(0.0, 0.0) if still else speed,
    )


def _greatest_move(old: DetectedFace, new: DetectedFace) -> float:
    """Return how far the centre or a landmark moved at most: a head may turn in its place."""
    ours, theirs = (old.centre, *old.points), (new.centre, *new.points)
    return max(math.dist(p, q) for p, q in zip(ours, theirs, strict=True))


def _mean(old: DetectedFace, new: DetectedFace) -> DetectedFace:
    a, b, c, d, e = (
        Point((p.x + q.x) / 2, (p.y + q.y) / 2) for p, q in zip(old.points, new.points, strict=True)
    )
    return DetectedFace(
        x=(old.x + new.x) / 2,
        y=(old.y + new.y) / 2,
        width=(old.width + new.width) / 2,
        height=(old.height + new.height) / 2,
        score=new.score,
        points=(a, b, c, d, e),
    )
