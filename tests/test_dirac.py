"""The panel of the smallest GAN: what it draws, its buttons and menus, the picture without a kernel."""

import asyncio
import base64
import io
import math
import re

import numpy as np
import pytest
from PIL import Image

from ganlib import figures
from ganlib.toy_figures import DiracScene, orbits
from ganlib.widgets import dirac, panel
from ganlib.widgets.dirac import LONGEST, Panel

HALVE = {"nửa đường": lambda theta, psi, eta: (theta / 2, psi / 2)}
TURN = {"quay": lambda theta, psi, eta: (theta + eta * psi, psi - eta * theta)}


@pytest.fixture
def game():
    return Panel(HALVE | TURN)


def words(shown):
    return re.sub(r"<[^>]*>", "", shown.line.value)


def run(shown):
    """Press the button that begins, and wait for the end."""

    async def go():
        shown.buttons["run"].click()
        await asyncio.wait_for(shown.runner.task, 60)

    asyncio.run(go())


def test_a_step_is_that_of_the_rule_and_the_line_tells_where_it_stands(game):
    game.buttons["one"].click()
    game.buttons["one"].click()
    assert game.path == [(1, 0), (0.5, 0), (0.25, 0)]
    assert words(game).startswith(
        "Bước 2. θ = 0.25, ψ = 0.00, cách đích 0.25; trung bình từ đầu cách đích 0.58"
    )


def test_another_rule_or_another_eta_begins_anew(game):
    game.buttons["one"].click()
    game.rule.value = "quay"
    assert game.path == [(1, 0)]
    game.buttons["one"].click()
    assert game.path[-1] == pytest.approx((1, -0.2))
    game.eta.value = 0.5
    game.buttons["one"].click()
    assert game.path == [(1, 0), pytest.approx((1, -0.5))]


def test_it_runs_until_a_click_or_to_its_end(game):
    game.speed.value = 25
    stop = lambda change: game.buttons["run"].click() if "Bước 75." in change.new else None  # noqa: E731
    game.line.observe(stop, "value")
    run(game)
    assert len(game.path) == 76 and not game.runner.running and game.buttons["run"].description == "Chạy"
    game.line.unobserve(stop, "value")
    game.go(LONGEST - 100)
    run(game)
    assert LONGEST < len(game.path) <= LONGEST + 25


def test_the_scene_shows_the_path_its_mean_and_the_answers_of_D():
    scene = DiracScene()
    scene.field(TURN["quay"], 0.1)
    lengths = np.hypot(scene.arrows.U, scene.arrows.V)
    assert lengths == pytest.approx(1)
    scene.draw([(1.0, 0.0), (0.0, 2.0)])
    assert [one[0] for one in scene.orbit.here.get_data()] == [0, 2]
    assert [one[0] for one in scene.orbit.mean.get_data()] == [0.5, 1]
    x, y = scene.D.get_data()
    assert y[x.searchsorted(1.0)] == pytest.approx(1 / (1 + math.exp(-2)))


def test_orbits_have_their_titles():
    figure = orbits({"a": [(1, 0), (0, 1)], "b": [(0, 0)]})
    assert [ax.get_title() for ax in figure.axes] == ["a", "b"] and figures.png(figure)


def test_where_no_widget_shows(monkeypatch):
    shown = []
    monkeypatch.setattr(panel, "display", lambda bundle, **options: shown.append(bundle))
    dirac(TURN | HALVE)
    assert shown[0]["text/plain"].startswith("Luật “quay”. Bước 150.")
    assert Image.open(io.BytesIO(base64.b64decode(shown[0]["image/png"]))).width > 900
