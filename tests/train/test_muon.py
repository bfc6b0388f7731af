"""Muon makes the singular values of a step alike, whatever a kernel's shape, and learns."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.train_tools import tools_of

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


tools = tools_of("muon")


@pytest.mark.parametrize("shape", [(16, 40), (40, 16)])
def test_singular_values_become_alike_and_vectors_stay(
    tools: SimpleNamespace, shape: tuple[int, int]
) -> None:
    import torch

    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = tools.muon.orthogonal(matrix)
    before, after = torch.linalg.svdvals(matrix), torch.linalg.svdvals(found)
    assert before[0] / before[-1] > 1.3 * after[0] / after[-1]
    assert 0.3 < after[-1] <= after[0] < 1.4
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ found @ right.T
    rest = turned - torch.diag(turned.diagonal())
    assert rest.abs().max() < 0.05


def test_a_kernel_of_a_convolution_is_learned(tools: SimpleNamespace) -> None:
    import torch

    torch.manual_seed(2)
    wanted, conv = (torch.nn.Conv2d(4, 8, (3, 3), bias=False) for _ in range(2))
    still = conv.weight.detach().clone()
    rate = torch.tensor(0.1)
    optimizer = tools.muon.Muon([conv.weight, torch.nn.Parameter(torch.ones(2, 2))], rate, decay=0)
    heard = torch.randn(16, 4, 8, 8)
    losses = []
    for step in range(60):
        rate.fill_(0.1 * (1 - step / 60))
        loss = (conv(heard) - wanted(heard)).square().mean()
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.01 * losses[0]
    assert not torch.equal(conv.weight, still)


def test_the_rate_is_the_root_mean_square_of_a_step(tools: SimpleNamespace) -> None:
    import torch

    for shape in ((12, 90), (90, 12)):
        kernel = torch.nn.Parameter(torch.zeros(shape))
        kernel.grad = torch.randn(shape, generator=torch.Generator().manual_seed(3))
        tools.muon.Muon([kernel], 0.01, decay=0).step()
        assert float(kernel.detach().square().mean().sqrt()) == pytest.approx(0.002, rel=0.2)
