"""The live panels without a browser: their frame, replay, playground, walk."""

import base64
import html
import re
import types

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from conftest import pixels, same, weights
from torch import nn

import ganlib.widgets as kit
from ganlib import figures
from ganlib.algorithm import update_D, update_G
from ganlib.networks import Generator
from ganlib.training import LOSSES_G, Frame
from ganlib.widgets import WIDGET, Board, replay, walk
from ganlib.widgets.panels import LOSSES, MOMENTS, SHAPES, STEPS, Film, Playground, Replay, Walk

E = 12
STRAIGHT = lambda a, b, t: (1 - t) * a + t * b  # noqa: E731


@pytest.fixture
def shown(monkeypatch):
    """What is handed to the notebook: (bundle, options) of each display."""
    calls = []
    monkeypatch.setattr(kit, "display", lambda bundle, **options: calls.append((bundle, options)))
    return calls


def words(widget):
    return html.unescape(re.sub(r"<[^>]*>", "", widget.value))


def press(panel, tip):
    """Click the button of these words."""

    def buttons(widget):
        return [one for child in getattr(widget, "children", ()) for one in (child, *buttons(child))]

    next(one for one in buttons(panel.widget) if getattr(one, "description", "") == tip).click()


def test_the_picture_stands_in_an_output_of_its_own(shown):
    widget = widgets.HTML()
    kit.show(widget, b"PNG", "loss_D *rất* nhỏ.", 300)
    (live, _), (picture, options) = shown
    assert live[WIDGET]["model_id"] == widget.model_id and r"loss\_D \*rất\* nhỏ." in live["text/markdown"]
    assert base64.b64decode(picture["image/png"]) == b"PNG" and WIDGET not in picture
    assert options["metadata"]["image/png"] == {"alt": picture["text/plain"], "width": 300}


def test_what_fails_in_a_click_is_shown_and_ends_the_play():
    board, steps = Board(), []
    player = board.play(lambda: steps.append(1 / (2 - len(steps))))
    playing = "playing" if player.has_trait("playing") else "_playing"  # ipywidgets 8; 7
    for tick in range(1, 4):
        player.set_trait(playing, True)
        player.value = tick
    assert "Dừng ở một lỗi: ZeroDivisionError" in words(board.fault) and not getattr(player, playing)
    player.value = 0  # Stop
    assert len(steps) == 2
    board.button("a", "b", lambda: None).click()
    assert words(board.fault) == ""


def test_an_epoch_shows_its_images_numbers_and_marker(make_record):
    record, i = make_record(E), 6
    film = Replay(Film(record))
    film.slider.value = i + 1
    np.testing.assert_array_equal(pixels(film.grid.value)[::4, ::4, 0], figures.grid_pixels(record.images[i]))
    losses = f"loss_D = {record.loss_D[i]:.2f}, loss_G = {record.loss_G[i]:.2f}"
    answers = f"D(x) = {record.D_x[i]:.2f}, D(G(z)) = {record.D_Gz[i]:.2f}"
    assert words(film.line) == f"Epoch {i + 1}/{E}: {losses}, {answers}"
    assert [bar.get_xdata()[0] for bar in film.bars] == [i + 1] * 2
    film.slider.value = E - 1
    film.player.value = 1
    assert film.slider.value == E
    film.player.value = 2  # and from the beginning
    assert film.slider.value == 1


def frames(n, shape=(1, 28, 28), **values):
    told = {"loss_D": -1.5, "loss_G": 2.0, "D_x": 0.75, "D_Gz": 0.25} | values
    images = [torch.full((36, *shape), i, dtype=torch.uint8) for i in range(n)]
    return [Frame(50 * i + 50, **told, images=images[i]) for i in range(n)]


def test_a_film_of_frames_of_a_record_and_of_epochs(make_record):
    film = Film(frames(5))
    assert (film.unit, film.numbers, len(film.images)) == ("Vòng lặp", [50, 100, 150, 200, 250], 5)
    assert film.told(1) == "Vòng lặp 100/250: loss_D = -1.50, loss_G = 2.00, D(x) = 0.75, D(G(z)) = 0.25"
    axis = film.curves().axes[-1].xaxis
    assert axis.get_label_text() == "vòng lặp" and axis.get_major_formatter()(2.0) == 100
    assert "D(x)" not in Film(frames(2, D_x=np.nan)).told(0)  # an object of one's own: nobody asked D
    assert Film(make_record(3).film).numbers == list(range(50, 301, 50))
    told = {"loss_D": 1.0, "loss_G": 1.0, "D_x": 0.5, "D_Gz": 0.5}
    epoch = types.SimpleNamespace(**told, images=torch.full((36, 1, 28, 28), -1.0))
    assert Film([epoch]).unit == "Epoch" and Film([epoch]).images[0].max() == 0  # [-1, 1] became bytes


def test_without_a_kernel_the_film_is_some_moments_of_it(make_record, shown):
    titles = [one.get_text() for one in Film(make_record(100)).picture().axes[0].get_yticklabels()]
    assert titles[0] == "epoch 1" and titles[-1] == "epoch 100" and len(titles) == MOMENTS
    replay(frames(2, (3, 16, 20)))  # colour, another size
    picture = next(bundle for bundle, _ in shown if "image/png" in bundle)
    assert "Vòng lặp 100/100" in picture["text/plain"]
    assert pixels(base64.b64decode(picture["image/png"])).shape[1] > 1200
    for wrong in ("mnist.pt", [], 3, {"images": 1}):
        with pytest.raises(TypeError, match=r"record\.load.*epoch\.frames"):
            replay(wrong)


@pytest.mark.parametrize(("k", "loss"), [(1, "non_saturating"), (3, "minimax")])
def test_an_iteration_of_the_playground_is_the_series_own_and_so_is_its_randomness(k, loss):
    before, game, other = torch.get_rng_state(), Playground(), Playground()
    game.k.value, game.loss.value = k, loss
    press(game, "D đi một bước")  # counts: the first iteration makes one less
    assert f"D đã đi 1/{k} bước" in words(game.line)
    for _ in range(3):
        press(game, "Một vòng lặp")
    assert torch.equal(torch.get_rng_state(), before)
    s = other.state
    for optimizer in (s.optimizer_D, s.optimizer_G):
        optimizer.param_groups[0]["lr"] = game.lr_D.value
    with s.own_randomness():
        for _ in range(3):
            for _ in range(k):
                x, z = other.data.sample(256), torch.randn(256, 2)
                loss_D = update_D(s.D, s.G, x, z, s.optimizer_D)
            loss_G = update_G(s.D, s.G, torch.randn(256, 2), s.optimizer_G, LOSSES_G[loss])
    assert same(weights(game.state), weights(s))
    assert len(game.history) == 3 and game.history[-1] == (loss_D.item(), loss_G.item())


def test_buttons_and_choices_of_the_playground():
    game = Playground()
    game.speed.value = 1
    start = weights(game.state)
    press(game, "G đi một bước")
    assert "loss_D = –" in words(game.line) and words(game.fault) == ""  # D has not moved yet
    game.player.value = 1
    assert re.search(r"Vòng lặp 2\. .* G phủ \d/8 đốm", words(game.line))
    press(game, "Làm lại")
    assert same(weights(game.state), start) and "Vòng lặp 0." in words(game.line)
    game.lr_D.value = 1e-2
    press(game, "Một vòng lặp")
    assert game.state.optimizer_D.param_groups[0]["lr"] == pytest.approx(1e-2)
    game.shape.value = SHAPES["lưới 25 đốm"]
    assert "/25 đốm" in words(game.line) and "Vòng lặp 0." in words(game.line)
    assert set(LOSSES.values()) == set(LOSSES_G)


def test_every_choice_of_a_walk_is_drawn_and_g_is_asked_in_eval_mode(shown):
    torch.manual_seed(0)
    z, norm = torch.randn(4, 100), nn.BatchNorm1d(100)
    G = nn.Sequential(norm, nn.Dropout(), Generator(hidden=(8,)))
    way = Walk(G, z, list("abcd"), STRAIGHT)
    way.start.value, way.end.value, way.t.value = 2, 1, 0.35
    here, *points = (STRAIGHT(z[[2]], z[[1]], t) for t in (0.35, *(i / STEPS for i in range(STEPS + 1))))
    assert G.training and norm.num_batches_tracked == 0  # as it was
    with torch.no_grad():
        G.eval()
        assert way.here.value == figures.grid_png(G(here), scale=6)
        assert way.way.value == figures.grid_png(G(torch.cat(points)), STEPS + 1, scale=4)
    assert words(way.line) == f"t = 0.35, chuẩn của z: {here.norm():.2f}. Cả đường:"
    walk(G, z, list("abcd"), STRAIGHT, ends=(1, 2))
    assert "từ b đến c" in shown[-1][0]["text/plain"]
