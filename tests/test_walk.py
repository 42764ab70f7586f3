"""The panel that walks between two images: what it shows is G along the path that is chosen."""

import io

import numpy as np
import pytest
import torch
from notebook_checks import check_alt
from PIL import Image

from ganlib import figures
from ganlib.networks import Generator
from ganlib.walk import STEPS, Walk, walk

PATHS = {"thẳng": lambda a, b, t: (1 - t) * a + t * b, "bậc thang": lambda a, b, t: b if t > 0.5 else a}


@pytest.fixture
def made():
    torch.manual_seed(0)
    G = Generator(hidden=(32,)).eval()
    return G, torch.randn(4, 100), list("abcd")


def drawn(widget, scale):
    return np.asarray(Image.open(io.BytesIO(widget.value)))[::scale, ::scale]


def test_every_choice_is_drawn(made):
    G, z, names = made
    panel = Walk(G, z, names, PATHS)
    for panel.start.value, panel.end.value, panel.path.value, panel.t.value in (
        (0, 3, "thẳng", 0.0),
        (2, 1, "thẳng", 0.35),
        (2, 1, "bậc thang", 0.35),
        (1, 1, "thẳng", 1.0),
    ):
        path, a, b = PATHS[panel.path.value], z[panel.start.value, None], z[panel.end.value, None]
        with torch.no_grad():
            here = G(path(a, b, panel.t.value))
            way = G(torch.cat([path(a, b, i / STEPS) for i in range(STEPS + 1)]))
        np.testing.assert_array_equal(drawn(panel.here, 6), figures.grid_pixels(here))
        np.testing.assert_array_equal(drawn(panel.strip, 4), figures.grid_pixels(way, STEPS + 1))
        assert f"t = {panel.t.value:.2f}" in panel.text.value and panel.path.value in panel.text.value
        assert f"{float(path(a, b, panel.t.value).norm()):.2f}" in panel.text.value


def test_begins_between_the_first_and_the_last(made):
    panel = Walk(*made, PATHS)
    assert (panel.start.value, panel.end.value, panel.path.value, panel.t.value) == (0, 3, "thẳng", 0)
    assert panel.start.options == (("a", 0), ("b", 1), ("c", 2), ("d", 3))


def test_where_no_widget_shows_there_is_a_picture_of_each_path(made, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    walk(*made, PATHS)
    (bundle,) = shown
    assert bundle["text/html"].count("<img") == 2 and "JupyterLab" in bundle["text/html"]
    assert "đường thẳng từ a đến d" in bundle["text/plain"]
    assert "đường bậc thang từ a đến d" in bundle["text/plain"]
    output = {"output_type": "display_data", "data": {"text/html": bundle["text/html"]}, "metadata": {}}
    cell = {"cell_type": "code", "id": "c", "metadata": {}, "source": "walk()", "outputs": [output]}
    assert check_alt({"cells": [cell]}) == []
