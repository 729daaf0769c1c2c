"""A folder of tiny images and a tiny network of the user's own, for trainings that take a second."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

SHAPE = (3, 10, 10)


def make_stripes(folder: Path, count: int = 24) -> Path:
    """Images of horizontal and of vertical stripes, with noise."""
    generator = np.random.default_rng(0)
    for name, axis in (("horizontal", 0), ("vertical", 1)):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = generator.integers(0, 100, (10, 10, 3), np.uint8)
            stripes = np.arange(10) % 2 * 150
            pixels += (stripes[:, None] if axis == 0 else stripes[None])[..., None].astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index:02}.png")
    return folder


class TinyNet(nn.Module):
    """Convolution, normalisation, ReLU and dropout: everything that has a state or draws random numbers."""

    input_shape = SHAPE

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2),
            nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4 * 4, classes),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def tiny() -> TinyNet:
    return TinyNet()


def three_classes() -> TinyNet:
    return TinyNet(3)


def no_model() -> str:
    return "a string"


def needs_arguments(width: int) -> nn.Module:
    return nn.Linear(width, width)


class Shapeless(TinyNet):
    input_shape = None  # type: ignore[assignment]
