"""The values that flow through a pipeline, from a driver's chunk to the fused state.

All are frozen and slotted. Times are integer nanoseconds on the session clock. This module
imports neither NumPy nor any vendor package, so that ``import edge_emo`` stays light.
"""

from __future__ import annotations

from edge_emo.types.estimates import Affect as Affect
from edge_emo.types.estimates import EmotionState as EmotionState
from edge_emo.types.estimates import Posterior as Posterior
from edge_emo.types.estimates import Prediction as Prediction
from edge_emo.types.estimates import StreamHealth as StreamHealth
from edge_emo.types.estimates import Tags as Tags
from edge_emo.types.estimates import abstention as abstention
from edge_emo.types.faces import Face as Face
from edge_emo.types.faces import FaceBox as FaceBox
from edge_emo.types.faces import HeadPose as HeadPose
from edge_emo.types.signals import CATEGORIES as CATEGORIES
from edge_emo.types.signals import EXPRESSED as EXPRESSED
from edge_emo.types.signals import FELT as FELT
from edge_emo.types.signals import KINDS as KINDS
from edge_emo.types.signals import MODALITIES as MODALITIES
from edge_emo.types.signals import MODALITY_OF as MODALITY_OF
from edge_emo.types.signals import RESTING as RESTING
from edge_emo.types.signals import Chunk as Chunk
from edge_emo.types.signals import Kind as Kind
from edge_emo.types.signals import Modality as Modality
from edge_emo.types.signals import Said as Said
from edge_emo.types.signals import StreamInfo as StreamInfo
from edge_emo.types.signals import Utterance as Utterance
from edge_emo.types.signals import Window as Window
from edge_emo.types.signals import Word as Word
