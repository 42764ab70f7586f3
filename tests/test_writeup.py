"""ganlib.writeup: which images stand where in the pictures of a run."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from ganlib import figures, writeup


@pytest.fixture
def images():
    """(25, 36, 28, 28) uint8, each image of one grey that tells its epoch and its noise."""
    values = (torch.arange(25)[:, None] * 9 + torch.arange(36)[None] % 9).to(torch.uint8)
    return values[:, :, None, None].expand(25, 36, 28, 28)


def test_a_row_is_an_epoch_and_a_column_a_noise(images):
    figure = writeup.epochs_grid(images, every=10, columns=3)
    drawn = [picture.get_array()[0, 0] for picture in figure.axes[0].images]
    assert drawn == [images[epoch - 1, noise, 0, 0].item() for epoch in (10, 20) for noise in range(3)]
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["epoch 10", "epoch 20"]


def test_the_shipped_runs_give_the_pictures_of_the_write_up(tmp_path):
    run = writeup.Record.load(writeup.ASSETS / "mnist.safetensors")
    (grid, grid_alt), (curves, curves_alt) = writeup.results(run).values()
    drawn = grid.axes[0].images
    assert len(drawn) == 10 * 12
    np.testing.assert_array_equal(drawn[-1].get_array(), run.images[99, 11])
    lines = {to_hex(line.get_color()): line for line in curves.axes[1].lines if len(line.get_xdata()) == 100}
    np.testing.assert_allclose(lines[figures.D_COLOR.lower()].get_ydata(), run.loss_D)
    np.testing.assert_allclose(lines[figures.G_COLOR.lower()].get_ydata(), run.loss_G)
    assert "MNIST" in grid_alt and f"{run.loss_D[-1]:.2f}" in curves_alt
