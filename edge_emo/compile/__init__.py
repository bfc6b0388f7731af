"""Compiling: a float ONNX model becomes a package of measured candidates for a target.

See ``docs/guides/own-model.md``. Every candidate is made, run and timed in child processes; the
rules that let it in are those of ``gates``.
"""

from __future__ import annotations

from edge_emo.compile.compiler import Compiled as Compiled
from edge_emo.compile.compiler import Data as Data
from edge_emo.compile.compiler import compile_package as compile_package
from edge_emo.compile.gates import Figures as Figures
from edge_emo.compile.package import read_figures as read_figures
from edge_emo.compile.targets import TARGETS as TARGETS
