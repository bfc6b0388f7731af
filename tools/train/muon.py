"""The optimiser Muon: momentum whose singular values are made alike before it moves a kernel.

Jordan et al. (2024), https://kellerjordan.github.io/posts/muon; the scale that lets one learning
rate serve kernels of all shapes is that of Liu et al. (2025), arXiv:2502.16982.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Of Jordan's iteration: singular values go to about 1, fast rather than exactly."""
_ITERATIONS = 4
_SCALE = 0.2
"""Root mean square of a step in units of the rate: that of AdamW."""


class Muon(torch.optim.Optimizer):
    """Moves kernels of two dimensions or more; the first is the output, the others are the input.

    Args:
        kernels: What it moves.
        rate: Learning rate; as a tensor it may be changed between steps that a GPU recorded.
        decay: Weight decay, decoupled.
        momentum: Nesterov's.
    """

    def __init__(
        self,
        kernels: Iterable[torch.Tensor],
        rate: torch.Tensor | float,
        decay: float = 0.02,
        momentum: float = 0.9,
    ) -> None:
        super().__init__(kernels, {"lr": rate, "decay": decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every kernel that has a gradient."""
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.grad is not None:
                    self._move(kernel, group)

    def _move(self, kernel: torch.Tensor, group: dict[str, object]) -> None:
        state = self.state[kernel]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(kernel)
        held = state["momentum"].mul_(group["momentum"]).add_(kernel.grad)
        ahead = kernel.grad + group["momentum"] * held
        step = orthogonal(ahead.flatten(1)).reshape(kernel.shape)
        kernel.mul_(1 - group["lr"] * group["decay"])
        scale = _SCALE * max(kernel.shape[0], kernel[0].numel()) ** 0.5
        kernel.sub_(step * (group["lr"] * scale))


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Return a matrix with the same singular vectors, and singular values near 1."""
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = (wide / (wide.norm() + 1e-7)).bfloat16()
    a, b, c = _QUINTIC
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    found = x.to(matrix.dtype)
    return found.T if matrix.shape[0] > matrix.shape[1] else found
