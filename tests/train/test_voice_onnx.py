"""A voice network that is read back from its ONNX file says what the file says."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.train_tools import tools_of

MODELS = Path(__file__).resolve().parents[2] / "models"
TOLD = "The package's own file is trained on all but ravdess 15 16, emodb 03; on them it is judged."

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


tools = tools_of("voice", "voice_net", "voice_onnx")


def write_onnx(net: object, file: Path) -> None:
    """Write a network as the packages' exporter does: within a module named ``net``."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, logmel: torch.Tensor) -> object:
            return self.net(logmel)

    torch.onnx.export(
        Whole().eval(),
        (torch.zeros(1, 1, 298, 64),),
        file,
        dynamo=True,
        external_data=False,
        verbose=False,
        input_names=["logmel"],
    )


@pytest.mark.parametrize("elder", [True, False])
def test_a_network_comes_back(tools: SimpleNamespace, tmp_path: Path, elder: bool) -> None:
    import onnxruntime
    import torch

    torch.manual_seed(1)
    channels = (8, 12, 16, 20, 24)
    net = tools.voice_net.VoiceNet(channels=channels, elder=elder)
    net.train()(torch.randn(8, 1, 298, 64))  # statistics that are not those of a new network
    write_onnx(net.eval(), tmp_path / "model.onnx")
    again = tools.voice_net.VoiceNet.of(tools.voice_onnx.state_of(tmp_path / "model.onnx")).eval()
    window = np.random.default_rng(0).standard_normal((1, 1, 298, 64)).astype(np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    with torch.no_grad():
        found = again(torch.from_numpy(window))
    for mine, theirs in zip(found, session.run(None, {"logmel": window}), strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs, atol=1e-5)


@pytest.mark.parametrize("elder", [True, False])
def test_a_network_that_came_back_says_the_same_when_it_is_trained(
    tools: SimpleNamespace, elder: bool
) -> None:
    import torch

    torch.manual_seed(1)
    net = tools.voice_net.VoiceNet(channels=(8, 12, 16, 20, 24), dropout=0.0, elder=elder)
    windows = torch.randn(256, 1, 298, 64)
    with torch.no_grad():
        net.train()(3.0 * windows)
        said = net.eval()(windows)
        before = {name: value.clone() for name, value in net.state_dict().items()}
        settled = tools.voice_net.VoiceNet.of(tools.voice_onnx.settled(net, windows))
        assert all(torch.equal(before[name], now) for name, now in net.state_dict().items())
        assert all(bool(torch.isfinite(value).all()) for value in settled.state_dict().values())
        kept = settled.eval()(windows)
        _without_dropout(settled.train())
        trained = settled(windows)
    for mine, again, theirs in zip(said, kept, trained, strict=True):
        torch.testing.assert_close(again, mine, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(theirs, mine, atol=1e-3, rtol=1e-3)


def _without_dropout(net: object) -> None:
    for layer in net.modules():  # type: ignore[attr-defined]  # PyTorch is not there to name it
        if hasattr(layer, "p"):
            layer.p = 0.0


@pytest.mark.parametrize("part", [0, 1])
def test_each_of_two_networks_comes_back(tools: SimpleNamespace, tmp_path: Path, part: int) -> None:
    import torch

    torch.manual_seed(1)
    nets = [tools.voice_net.VoiceNet(channels=(8, 12, 16, 20, 24), elder=True) for _ in range(2)]
    for net in nets:
        net.train()(torch.randn(8, 1, 298, 64))  # statistics that are not those of a new network
        net.eval()
    window = torch.randn(1, 1, 298, 64)
    with torch.no_grad():
        said = nets[part](window)
        joined = tools.voice_net.Joined(nets, None, tools.voice_net.CATEGORIES).eval()
        write_onnx(joined, tmp_path / "model.onnx")
        state = tools.voice_onnx.state_of(tmp_path / "model.onnx", part)
        found = tools.voice_net.VoiceNet.of(state).eval()(window)
    for mine, theirs in zip(found, said, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_another_network_is_refused(tools: SimpleNamespace) -> None:
    with pytest.raises(SystemExit, match="not one network of convolutions"):
        tools.voice_onnx.state_of(MODELS / "eeg-load-small" / "model.onnx")


def test_how_each_of_two_networks_was_trained_is_read_from_the_card(
    tools: SimpleNamespace,
) -> None:
    package = MODELS / "voice-expression-small" / "metrics.json"
    training = json.loads(package.read_text("utf-8"))["training"]
    found = [tools.voice_onnx.stage_of(training, part) for part in (1, 2)]
    assert [(one["steps"], one["batch"]) for one in found] == [(6070, 192), (9091, 96)]
    assert [one["device"] for one in found] == ["NVIDIA H200", "cpu"]
    assert [one["log"] for one in found] == training["log"]
    with pytest.raises(SystemExit, match="--part 3"):
        tools.voice_onnx.stage_of(training, 3)
    alone = {"steps": 7, "batch": 8, "device": "cpu", "log": [],
             "seconds, shared with the other runs": 9.0}  # fmt: skip
    one = tools.voice_onnx.stage_of(alone, 1)
    assert (one["steps"], one["batch"], one["seconds"]) == (7, 8, 9.0)


def test_whom_it_held_out_is_what_the_card_says(tools: SimpleNamespace) -> None:
    people = ["emodb/03", "ravdess/15", "ravdess/16"]
    assert tools.voice_onnx.held_out(["Rows.", TOLD]) == people
    with pytest.raises(SystemExit, match="does not say whom"):
        tools.voice_onnx.held_out(["Rows."])


def test_figures_of_folds_come_along(tools: SimpleNamespace, tmp_path: Path) -> None:
    row = {"split": "emodb", "n": 9, "unweighted_average_recall": 0.5,
           "expected_calibration_error": 0.1, "accuracy": 0.4}  # fmt: skip
    rows = [{**row, "precision": "float32, files of folds"}, {**row, "precision": "int8"}]
    (found,) = tools.voice_onnx.folds(json.loads(json.dumps(rows)))
    assert found == {key: row[key] for key in list(row)[:4]}


def test_networks_that_share_folds_which_are_gone_share_their_table(tools: SimpleNamespace) -> None:
    gone = {"device": "a card", "noise": "None.", "folds": [{"split": "s", "n": 1}]}
    alone = {"options": {}}
    tables = tools.voice.elder_folds([gone, {"before": gone}, alone, {"before": gone}])
    assert [table["title"] for table in tables] == ["Folds of convolutions 1 alone"]
    assert "Convolutions 2 and 4 go on from it." in tables[0]["what"]
    assert "in the place of 1 and 2 and 4" in tables[0]["what"]
    assert tables[0]["rows"] == [["s", 1]]


def test_heirs_whose_first_network_is_elsewhere_say_so(tools: SimpleNamespace) -> None:
    gone = {"device": "a card", "noise": "None.", "folds": [{"split": "s", "n": 1}]}
    (table,) = tools.voice.elder_folds([{"options": {}}, {"before": gone}])
    assert table["title"] == "Folds of convolutions 2 alone"
    assert table["what"].startswith("A network that these go on from was trained on a card")
