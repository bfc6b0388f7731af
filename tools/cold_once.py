"""One cold start in a process that has imported nothing else; tools/bench_cold.py starts it.

    python tools/cold_once.py BACKEND STARTED

BACKEND is a name, or ``auto`` to let each package choose; STARTED is the monotonic time in seconds
at which the process was made. One line of JSON is printed: times in ms.
"""

import time

_BEGAN = time.monotonic()

import sys  # noqa: E402 - nothing is imported before the clock is read


def measure(backend: "str | None", started: float) -> "dict[str, object]":
    """Load every default package and run it once."""
    parts: dict[str, float] = {}
    last = _lap(parts, "Python itself", started, _BEGAN)
    import numpy as np

    last = _lap(parts, "numpy", last)
    from edge_emo.manifest import Signatures, list_packages
    from edge_emo.runtime.choose import load_model

    last = _lap(parts, "edge_emo", last)
    packages = [package for package in list_packages() if package.default]
    last = _lap(parts, "manifests", last)
    for package in packages:
        Signatures().check(package)
        model = load_model(package, backend=backend)
        model.run({spec.name: np.zeros(spec.shape, spec.dtype) for spec in package.inputs})
        last = _lap(parts, package.id, last)
    spent = {"total_ms": (last - _BEGAN) * 1e3, "cpu_ms": time.process_time() * 1e3}
    return {**spent, "parts_ms": parts}


def _lap(parts: "dict[str, float]", name: str, since: float, now: "float | None" = None) -> float:
    now = time.monotonic() if now is None else now
    parts[name] = (now - since) * 1e3
    return now


if __name__ == "__main__":
    found = measure(None if sys.argv[1] == "auto" else sys.argv[1], float(sys.argv[2]))
    import json

    print(json.dumps(found))
