# Two commands for people: make demo, make test. Two for contributors: make check, make bench.
PYTHON ?= python3
VENV ?= .venv
SECONDS_SHOWN ?= 20
# Everything that installs from wheels alone. The microphone needs a compiler: see docs/guides.
EXTRAS ?= audio,eeg,files,bridge,mqtt,onnx,openvino,speech,demo,datasets,dev
# The modules of the reference, public first.
REFERENCE = pipeline types errors config clock registry board vendor manifest recording testing \
  datasets.catalogue datasets.adapter datasets.contract datasets.tree datasets.prepare \
  datasets.splits datasets.check datasets.shards datasets.mix datasets.chat \
  drivers.base drivers.capture sync.delivery sync.align sync.dejitter sync.health sync.window \
  features.audio features.eeg features.physio features.text features.face features.face_align \
  features.face_detector features.face_landmarks features.face_track estimators.base estimators.baseline runtime.base \
  runtime.choose runtime.autotune runtime.measured fusion.base fusion.pooling fusion.channel \
  fusion.quantum fusion.smoothing fusion.doubt fusion.divergence fusion.steadiness sinks.base \
  sinks.datagram sinks.mqtt sinks.uplink estimators.resting compile evaluation.intervals \
  evaluation.evaluate datasets.clips bench doctor demo \
  bridge.framing bridge.host bridge.link bridge.messages
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test check bench docs clean

demo: $(VENV)/demo.done
	$(BIN)/edge-emo demo --seconds $(SECONDS_SHOWN)

test: $(VENV)/dev.done
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_imports.py

bench: $(VENV)/demo.done
	$(BIN)/edge-emo bench

docs: $(VENV)/dev.done
	$(BIN)/pdoc --docformat google -o build/reference $(addprefix edge_emo.,$(REFERENCE))

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.done: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet -e '.[demo]'
	touch $@

$(VENV)/dev.done: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet -e '.[$(EXTRAS)]'
	touch $@ $(VENV)/demo.done

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
