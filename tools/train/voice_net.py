"""The voice network."""

from __future__ import annotations

import torch

from edge_emo.types import CATEGORIES


def _block(inputs: int, outputs: int, kernel: tuple[int, int], **more: object) -> torch.nn.Module:
    conv = torch.nn.Conv2d(inputs, outputs, kernel, bias=False, **more)
    return torch.nn.Sequential(conv, torch.nn.BatchNorm2d(outputs), torch.nn.ReLU())


class VoiceNet(torch.nn.Module):
    """Convolutions over time and frequency, then mean and maximum over time."""

    def __init__(self, dropout: float = 0.4) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            _block(1, 16, (5, 5), stride=(2, 2), padding=2),
            _block(16, 32, (3, 3), stride=(2, 2), padding=1),
            _block(32, 64, (3, 3), stride=(2, 2), padding=1),
            torch.nn.Dropout2d(0.1),
            _block(64, 64, (3, 3), padding=1),
            _block(64, 96, (1, 6)),
            torch.nn.Dropout2d(0.1),
            _block(96, 160, (3, 1), padding=(1, 0)),
        )
        self.head = torch.nn.Sequential(
            torch.nn.Dropout(dropout), torch.nn.Linear(320, len(CATEGORIES))
        )

    def forward(self, logmel: torch.Tensor) -> torch.Tensor:
        """Logits (1, 7) of windows (1, 1, 298, 48)."""
        y = self.body(logmel)
        return self.head(torch.cat([y.mean(dim=(2, 3)), y.amax(dim=(2, 3))], dim=1))
