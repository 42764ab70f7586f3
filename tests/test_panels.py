"""The live panels without a browser: what they share, replay, playground, the smallest GAN, walk."""

import asyncio
import base64
import html
import math
import re
import threading

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from conftest import pixels, same, weights

from ganlib import figures
from ganlib.algorithm import update_D, update_G
from ganlib.networks import Generator
from ganlib.toy import SHAPES
from ganlib.toy_figures import DiracScene
from ganlib.training import LOSSES_G
from ganlib.widgets import dirac, panel, playground, replay, walk
from ganlib.widgets.dirac import Panel as Smallest
from ganlib.widgets.playground import LOSSES, NAMES, Panel, Playground
from ganlib.widgets.replay import Replay
from ganlib.widgets.walk import STEPS, Walk

E = 12
WIDGET = "application/vnd.jupyter.widget-view+json"
PATHS = {"thẳng": lambda a, b, t: (1 - t) * a + t * b, "bậc thang": lambda a, b, t: b if t > 0.5 else a}


@pytest.fixture
def shown(monkeypatch):
    """What is handed to the notebook: (bundle, options) of each display."""
    calls = []
    monkeypatch.setattr(panel, "display", lambda bundle, **options: calls.append((bundle, options)))
    return calls


@pytest.fixture
def film(make_record):
    return Replay(make_record(E))


@pytest.fixture
def game():
    game = Panel()
    game.speed.value = 1
    return game


@pytest.fixture
def images():
    """G, four z and their names."""
    torch.manual_seed(0)
    return Generator(hidden=(32,)).eval(), torch.randn(4, 100), list("abcd")


def words(widget):
    return html.unescape(re.sub(r"<[^>]*>", "", widget.value))


def machine(shape="ring", width=8, seed=0, k=1, lr_D=1e-3, lr_G=1e-3, loss="non_saturating"):
    return Playground(shape, width, seed, k=k, lr_D=lr_D, lr_G=lr_G, loss=loss)


def run(begin):
    """Call it in a loop as a kernel has one, until that comes to rest."""

    async def go():
        begin()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 60)

    asyncio.run(go())


def once(shown, told, action):
    """Do it as soon as the panel tells that."""
    shown.line.observe(lambda change: action() if told in change.new else None, "value")


def test_the_output_is_a_widget_and_where_none_shows_a_picture_and_a_line(shown):
    widget = widgets.HTML()
    panel.show(widget, b"PNG", "loss_D *rất* nhỏ.", 300)
    (picture, options), (below, _) = shown
    assert picture[WIDGET]["model_id"] == widget.model_id
    assert base64.b64decode(picture["image/png"]) == b"PNG"
    assert options["metadata"]["image/png"] == {"alt": picture["text/plain"], "width": 300}
    assert set(below) == {WIDGET, "text/markdown"} and r"loss\_D \*rất\* nhỏ." in below["text/markdown"]


def test_an_epoch_shows_its_images_numbers_and_marker(film, make_record):
    record, epoch, other, i = make_record(E), 7, 3, 6
    film.slider.value = epoch
    grid = pixels(film.grid.value)[::2, ::2, 0]
    np.testing.assert_array_equal(grid, figures.grid_pixels(record.images[i]))
    losses = f"loss_D = {record.loss_D[i]:.2f}, loss_G = {record.loss_G[i]:.2f}"
    answers = f"D(x) = {record.D_x[i]:.2f}, D(G(z)) = {record.D_Gz[i]:.2f}"
    assert words(film.line) == f"Epoch {epoch}/{E}: {losses}, {answers}"
    changed = (pixels(film.picture.value) != pixels(film.curves(other))).any((0, 2)).nonzero()[0]
    places = sorted(film.figure.axes[0].transData.transform((e, 0))[0] for e in (epoch, other))
    assert [changed.min(), changed.max()] == pytest.approx(places, abs=3)


def play(film):
    """Press play; the epochs shown until it stops."""
    seen = []
    film.slider.observe(lambda change: seen.append(change.new), "value")
    run(film.buttons["run"].click)
    assert film.buttons["run"].description == "Phát"
    return seen


@pytest.mark.parametrize(("start", "epochs"), [(9, [10, 11, 12]), (E, list(range(1, E + 1)))])
def test_playing_shows_every_epoch_from_where_it_stands(film, start, epochs):
    film.slider.value = start
    assert play(film) == epochs


def test_a_step_that_fails_is_the_last_one(film, monkeypatch):
    monkeypatch.setattr(film, "step", lambda: 1 / 0)
    assert play(film) == [] and film.task is None


def test_pause_and_a_hand_on_the_slider_stop_the_film(film):
    once(film, "Epoch 5/", film.buttons["run"].click)
    once(film, "Epoch 8/", lambda: film.slider.set_trait("value", 11))
    assert play(film) == [2, 3, 4, 5]
    assert sorted(play(film)) == [6, 7, 8, 11] and "Epoch 11/" in words(film.line)


def test_one_epoch_is_a_picture_without_controls(make_record):
    film = Replay(make_record(1))
    assert "Epoch 1/1" in words(film.line) and film.widget.children[0] is film.line


def test_anything_but_a_record_is_refused_with_what_to_do():
    with pytest.raises(TypeError, match=r"bản ghi .* record\.load"):
        replay("mnist.safetensors")


@pytest.mark.parametrize(("k", "loss"), [(1, "non_saturating"), (3, "minimax")])
def test_an_iteration_of_the_playground_is_the_series_own_and_so_is_its_randomness(k, loss):
    before = torch.get_rng_state()
    ours, other = machine(k=k, loss=loss, seed=3), machine(k=k, loss=loss, seed=3)
    ours.step_D()  # counts: the first iteration makes one less
    for _ in range(3):
        ours.iteration()
    assert torch.equal(torch.get_rng_state(), before)
    state = other.state
    with state.own_randomness():
        for _ in range(3):
            for _ in range(k):
                x, z = other.data.sample(256), torch.randn(256, 2)
                loss_D = update_D(state.D, state.G, x, z, state.optimizer_D)
            loss_G = update_G(state.D, state.G, torch.randn(256, 2), state.optimizer_G, LOSSES_G[loss])
    assert same(weights(ours.state), weights(state)) and len(ours.history) == 3
    assert ours.history[-1] == (loss_D.item(), loss_G.item())


@pytest.mark.parametrize("loss", LOSSES_G)
def test_the_push_is_minus_the_gradient_of_each_points_own_loss(loss):
    game, points = machine(loss=loss), torch.tensor([[0.3, -0.2], [1.5, 1.0]])
    for point, push in zip(points, game.push(points), strict=True):
        for axis, step in enumerate(torch.eye(2) * 1e-2):
            up, down = (LOSSES_G[loss](game.state.D((point + e)[None])).item() for e in (step, -step))
            assert (down - up) / 2e-2 == pytest.approx(float(push[axis]), abs=2e-3)


def test_the_playground_s_buttons(game):
    def after(button):
        game.buttons[button].click()
        both = weights(game.machine.state)
        return both[:6], both[6:]  # of G, of D

    (G, D), picture = after("restart"), game.picture.value
    G_then, D_moved = after("D")
    assert "D đã đi 1/1 bước" in words(game.line) and same(G, G_then) and not same(D, D_moved)
    G_moved, D_then = after("G")
    assert "Vòng lặp 1. loss_D" in words(game.line) and game.picture.value != picture
    assert same(D_moved, D_then) and not same(G, G_moved)
    after("one")
    assert re.search(r"Vòng lặp 2\. .* Độ phủ: \d/8 mode", words(game.line))
    G_again, D_again = after("restart")
    assert "Vòng lặp 0." in words(game.line) and same(G + D, G_again + D_again)


def test_some_choices_of_the_playground_act_at_once_others_begin_anew(game):
    assert set(NAMES.values()) == set(SHAPES) and set(LOSSES.values()) == set(LOSSES_G)
    before = game.machine
    for name, value in {"k": 4, "loss": "minimax", "lr_D": 1e-2, "lr_G": 1e-4}.items():
        game.now[name].value = value
    assert game.machine is before and before.k == 4 and before.loss is LOSSES_G["minimax"]
    rates = [one.param_groups[0]["lr"] for one in (before.state.optimizer_D, before.state.optimizer_G)]
    assert rates == pytest.approx([1e-2, 1e-4])
    for name, value in {"shape": "grid", "width": 8, "seed": 7}.items():
        game.buttons["one"].click()
        game.anew[name].value = value
        assert "Vòng lặp 0." in words(game.line)
    assert "/25 mode" in words(game.line) and game.machine.k == 4
    assert same(weights(game.machine.state), weights(machine("grid", 8, 7).state))


@pytest.mark.parametrize(("name", "iterations"), [("run", 3), ("one", 4), ("seed", 0)])
def test_the_playground_runs_until_any_click_or_a_new_beginning(game, name, iterations):
    told = []
    game.line.observe(lambda change: told.append(words(game.line)), "value")
    once(game, "Vòng lặp 2.", lambda: game.now["k"].set_trait("value", 2))  # does not stop it
    act = {key: button.click for key, button in game.buttons.items()}
    act["seed"] = lambda: game.anew["seed"].set_trait("value", 2)
    once(game, "Vòng lặp 3. loss", act[name])
    run(game.buttons["run"].click)
    assert [line[:11] for line in told[:3]] == ["Vòng lặp 1.", "Vòng lặp 2.", "Vòng lặp 3."]
    assert game.machine.state.iterations == iterations and f"Vòng lặp {iterations}." in words(game.line)
    assert game.buttons["run"].description == "Chạy"


def test_clicks_from_other_threads_wait_for_their_turn(game):
    threads = [threading.Thread(target=game.buttons["one"].click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert game.machine.state.iterations == len(game.machine.history) == 8


HALVE = {"nửa đường": lambda theta, psi, eta: (theta / 2, psi / 2)}
TURN = {"quay": lambda theta, psi, eta: (theta + eta * psi, psi - eta * theta)}


@pytest.fixture
def smallest():
    return Smallest(HALVE | TURN)


def test_a_step_of_the_smallest_gan_is_that_of_the_rule_and_another_rule_or_eta_begins_anew(smallest):
    smallest.buttons["one"].click()
    smallest.buttons["one"].click()
    assert smallest.path == [(1, 0), (0.5, 0), (0.25, 0)]
    told = "Bước 2. θ = 0.25, ψ = 0.00, cách đích 0.25; trung bình từ đầu cách đích 0.58"
    assert words(smallest.line).startswith(told)
    for one, value, psi in ((smallest.rule, "quay", -0.2), (smallest.eta, 0.5, -0.5)):
        one.value = value
        assert smallest.path == [(1, 0)]
        smallest.buttons["one"].click()
        assert smallest.path[-1] == pytest.approx((1, psi))


def test_the_scene_shows_the_path_its_mean_and_the_answers_of_D():
    scene = DiracScene()
    scene.field(TURN["quay"], 0.1)
    assert np.hypot(scene.arrows.U, scene.arrows.V) == pytest.approx(1)
    scene.draw([(1.0, 0.0), (0.0, 2.0)])
    assert [one[0] for one in scene.orbit.here.get_data()] == [0, 2]
    assert [one[0] for one in scene.orbit.mean.get_data()] == [0.5, 1]
    x, y = scene.D.get_data()
    assert y[x.searchsorted(1.0)] == pytest.approx(1 / (1 + math.exp(-2)))


def test_every_choice_of_a_walk_is_drawn(images):
    G, z, names = images
    way = Walk(G, z, names, PATHS)
    way.start.value, way.end.value, way.path.value, way.t.value = start, end, path, t = (
        2,
        1,
        "bậc thang",
        0.35,
    )
    steps = t, *(i / STEPS for i in range(STEPS + 1))
    here, *points = (PATHS[path](z[[start]], z[[end]], s) for s in steps)
    with torch.no_grad():
        assert way.here.value == figures.grid_png(G(here), scale=6)
        assert way.way.value == figures.grid_png(G(torch.cat(points)), STEPS + 1, scale=4)
    assert words(way.line) == f"t = {t:.2f}, chuẩn của z: {here.norm():.2f}. Cả đường {path}:"


def test_a_picture_and_a_sentence_say_what_a_panel_would_show(make_record, images, shown):
    record, ways = make_record(E), Walk(*images, PATHS)
    replay(record), playground(), dirac(TURN | HALVE), walk(*images, PATHS)
    bundles = [bundle for bundle, _ in shown if "image/png" in bundle]
    for bundle, words in zip(bundles, [
        f"epoch {E}.*loss_G = {record.loss_G[-1]:.2f}",
        "Sân chơi sau 300 vòng lặp.*Độ phủ: [345678]/8 mode",  # it learns
        "Luật “quay”. Bước 150.",
        "từ a đến d.*đường thẳng, đường bậc thang",
    ], strict=True):  # fmt: skip
        assert re.search(words, bundle["text/plain"])
    film, *scenes, strips = (pixels(base64.b64decode(bundle["image/png"])) for bundle in bundles)
    grid = figures.grid_pixels(record.images[-1])
    np.testing.assert_allclose(film[::4, ::4, 0][:, : grid.shape[1]], grid, atol=2)  # 256 colours in all
    assert min(scene.shape[1] for scene in scenes) > 900
    np.testing.assert_array_equal(np.split(strips[:-8], 2)[0], pixels(ways.way.value)[:-8])  # of two ways
