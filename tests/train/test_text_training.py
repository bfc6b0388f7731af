"""The text network as it is trained and as it is exported, on sentences written for it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_emo.features.text import TextSpec, context_rows, sentence_rows, tokens
from edge_emo.manifest import find_package
from tests.train_tools import need_torch, training

SPEC = TextSpec(words=10, context=8, ids=8, word_rows=300, gram_rows=300, least=3, most=5)
LINES = [
    ("I wept over the old letter", ((False, "What is it?"), (True, "Nothing."))),
    ("Thank you, what a glad day this is, and so sunny!", ()),
    ("No!", ((True, "I will not go there, I said, I said it twice"),)),
]

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


@pytest.fixture(scope="module")
def tools() -> Iterator[SimpleNamespace]:
    """Give the training modules without ``text_`` before their names."""
    need_torch()
    names = [f"text_{name}" for name in ("data", "table", "net", "fit", "distil", "loss", "score")]
    with training(*names) as modules:
        yield SimpleNamespace(
            **{name.removeprefix("text_"): one for name, one in vars(modules).items()}
        )


@pytest.fixture(scope="module")
def table(tools: SimpleNamespace) -> Any:
    labels = [frozenset(["sadness"]), frozenset(["happiness"]), None]
    sentences = [
        tools.data.Sentence(
            *("meld" if before else "goemotions", f"{n}", "train", text, before, None),
            *(label, (n / 9, n**2 / 9, -n / 9)),
        )
        for n, ((text, before), label) in enumerate(zip(LINES, labels, strict=True))
    ]
    return tools.table.table_of(sentences, SPEC)


def network(tools: SimpleNamespace, *, recurrent: bool = False) -> Any:
    import torch

    torch.manual_seed(3)
    net = tools.net.TextNet(tools.net.Size(SPEC.rows, 8, 6, 5, 0.2, SPEC.context, recurrent))
    torch.nn.init.normal_(net.place)
    return net


def test_batches_read_what_the_device_reads(tools: SimpleNamespace, table: Any) -> None:
    import torch

    net = network(tools).eval()
    heads = tools.fit.run(net, table)
    for place, (text, before) in enumerate(LINES):
        rows = (sentence_rows(tokens(text), SPEC), context_rows(before, SPEC))
        with torch.no_grad():
            alone = net(*map(torch.from_numpy, rows))
        for column, one in zip(heads, alone, strict=True):
            np.testing.assert_allclose(column[place], one[0], atol=1e-5)


def test_the_exported_network_answers_as_the_trained_one(tools: SimpleNamespace) -> None:
    import torch

    net = network(tools).eval()
    with torch.no_grad():
        steps, scale = tools.net.int8_of(net.table.weight)
        net.table.weight.copy_(steps * scale)
    rows = [
        torch.from_numpy(array)
        for array in (sentence_rows(tokens(LINES[0][0]), SPEC), context_rows(LINES[0][1], SPEC))
    ]
    lift = torch.linspace(0.0, 0.6, 7)
    with torch.no_grad():
        heads, alone = net(*rows), net(rows[0], rows[1] * 0)
        exported = tools.net.Exported(net, lift)
        found, found_alone = exported(*rows), exported(rows[0], rows[1] * 0)
    np.testing.assert_allclose(found[0], heads.logits + lift, atol=1e-5)
    np.testing.assert_allclose(found_alone[0], alone.logits, atol=1e-5)
    np.testing.assert_allclose(found[2], heads.emotions.sigmoid(), atol=1e-5)
    np.testing.assert_allclose(found[3], heads.affect * tools.net.AFFECT_SCALE, atol=1e-5)


def test_the_rows_of_the_table_follow_sparse_adam(tools: SimpleNamespace) -> None:
    import torch

    start = torch.linspace(-1.0, 1.0, 12).reshape(6, 2)
    theirs = torch.nn.Embedding.from_pretrained(start.clone(), freeze=False, sparse=True)
    adam = torch.optim.SparseAdam(theirs.parameters(), lr=0.01)
    ours = tools.fit.Rows(start.clone())
    for used in ([0, 2, 5], [0, 1, 2], [0, 5]):
        rows = torch.tensor(used)
        (theirs(rows[1:]).square().sum() * 0.5).backward()
        gradient = ours.table[rows].clone()
        adam.step()
        adam.zero_grad()
        ours.step(rows, gradient, 0.01)
    np.testing.assert_allclose(ours.table, theirs.weight.detach(), atol=1e-6)
    np.testing.assert_array_equal(ours.table[0], start[0])


def test_teachers_answer_for_every_view_and_a_pupil_learns_from_them(
    tools: SimpleNamespace, table: Any
) -> None:
    teachers = tools.distil.Teachers([network(tools), network(tools, recurrent=True)], [])
    views = teachers.views(table, 2, seed=1, context_drop=0.3)
    assert sum(view.share for view in views) == pytest.approx(1.0)
    for view in views:
        np.testing.assert_allclose(view.answers.logits.sum(-1), 1.0, atol=1e-5)
        assert set(view.words.ravel()) <= set(table.words.ravel())
    pupil = network(tools)
    said = views[0].answers
    before = distance(tools, pupil, table, said)
    options = tools.fit.Options(epochs=40, rate=0.02, table_rate=0.02)
    losses = list(tools.fit.fit(pupil, table, views, options))
    assert len(losses) == 40
    assert distance(tools, pupil, table, said) < before


def test_what_is_spoken_is_answered_by_the_teachers_fitted_to_it(
    tools: SimpleNamespace, table: Any
) -> None:
    one, other = network(tools), network(tools, recurrent=True)
    found = tools.distil.Teachers([one], [other]).answer(table)
    written = np.array([s.corpus == "goemotions" for s in table.sentences])
    for net, some in ((one, written), (other, ~written)):
        alone = tools.fit.run(net, table.part(some)).scores.sigmoid()
        np.testing.assert_allclose(found.scores[some], alone, atol=1e-5)


def distance(tools: SimpleNamespace, net: Any, table: Any, said: Any) -> float:
    heads = tools.fit.run(net, table)
    return float((heads.emotions.sigmoid() - said.emotions).abs().mean())


def test_scores_of_a_report_are_probabilities(tools: SimpleNamespace, table: Any) -> None:
    heads = tools.fit.run(network(tools), table)
    limits = (np.full(7, 0.5, np.float32), np.full(28, 0.5, np.float32))
    found = tools.score.report(heads, table, limits)
    present = heads.scores.numpy() > 0.0
    written = np.array([s.corpus == "goemotions" for s in table.sentences])
    truth = table.truth.categories[written]
    expected = tools.score.multi_f1(present[written], truth).mean()
    assert found["ekman multi F1"] == round(float(expected), 4)


def test_rare_categories_are_lifted_where_they_are_missed(tools: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    truth = np.eye(7, dtype=np.float32)[[4] * 700 + [0] * 100 + [3] * 200]
    seen = 2.0 * truth + rng.normal(size=truth.shape)
    corpora = np.array(["meld", "emotionlines"] * 500)
    timid = (seen + np.log(truth.mean(0) + 1e-3) * 1.5).astype(np.float32)
    lift = tools.score.lift_of(timid, truth, corpora)
    assert lift[0] > lift[3] > lift[4] > 0.0
    bold = seen.astype(np.float32)
    assert (tools.score.lift_of(bold, truth, corpora) < lift).all()


def test_without_teachers_nothing_is_answered(tools: SimpleNamespace, table: Any) -> None:
    told, alone = tools.distil.Teachers([], []).views(table, 1, 0, 0.25)
    assert (told.share, alone.share) == (0.75, 0.25)
    assert told.answers is alone.answers is None
    np.testing.assert_array_equal(told.before, table.before)
    assert not alone.before.any()


def test_an_uncalibrated_package_has_no_temperature_of_a_file() -> None:
    need_torch()
    package = find_package("face-expression-small")
    assert any(file.temperature for file in package.files)
    with training("text_measure") as modules:
        plain = modules.text_measure.uncalibrated(package)
    assert {plain.as_run_by(file).temperature for file in plain.files} == {1.0}
