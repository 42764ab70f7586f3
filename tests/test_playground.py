"""The playground without a browser: its machine is Algorithm 1, its panel does what the buttons say."""

import asyncio
import html
import io
import math
import re
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from ganlib import playground_panel
from ganlib.algorithm import LOSSES_G, loss_G, update_D, update_G
from ganlib.panels import LOSSES
from ganlib.playground import Playground
from ganlib.playground_panel import NOT_FINITE, SHAPES, SPEEDS, Panel
from ganlib.toy import SHAPES as KNOWN
from ganlib.toy_figures import Scene


@pytest.fixture
def panel():
    return Panel("ring", width=16)


def weights(machine):
    state = machine.state
    return [p.detach().clone() for network in (state.D, state.G) for p in network.parameters()]


def same(ours, theirs):
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def words(panel):
    return html.unescape(re.sub(r"<[^>]*>", "", panel.line.value))


def pixels(panel):
    return np.asarray(Image.open(io.BytesIO(panel.picture.value)))


# --- the machine ---


@pytest.mark.parametrize(("k", "loss"), [(1, "non_saturating"), (3, "minimax")])
def test_an_iteration_is_the_series_own(k, loss):
    machine, other = Playground(k=k, loss=loss, width=8, seed=3), Playground(k=k, loss=loss, width=8, seed=3)
    state = other.state
    for _ in range(3):
        machine.iteration()
        with state.own_randomness():
            for _ in range(k):
                x, z = other.data.sample(256), torch.randn(256, 2)
                told, *_ = update_D(state.D, state.G, x, z, state.optimizer_D)
            lost, _ = update_G(state.D, state.G, torch.randn(256, 2), state.optimizer_G, LOSSES_G[loss])
    assert same(weights(machine), weights(other))
    assert machine.history[-1] == (told.item(), lost.item()) and len(machine.history) == 3


def test_each_half_moves_its_own_network_only():
    machine = Playground(width=8)
    at_first = weights(machine)
    machine.step_D()
    in_between = weights(machine)
    assert not same(at_first[:6], in_between[:6]) and same(at_first[6:], in_between[6:])
    machine.step_G()
    assert same(in_between[:6], weights(machine)[:6]) and not same(in_between[6:], weights(machine)[6:])


def test_iteration_counts_the_steps_that_D_has_already_made():
    machine = Playground(width=8, k=3)
    for _ in range(2):
        machine.step_D()
    calls = []
    machine.step_D = lambda step=machine.step_D: (calls.append(1), step())
    machine.iteration()
    assert len(calls) == 1 and machine.turn == 0 and machine.state.iterations == 1


def test_its_randomness_is_its_own():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two = Playground(width=8, seed=1), Playground(width=8, seed=1)
    one.iteration()
    torch.rand(7)
    two.iteration()
    assert same(weights(one), weights(two))
    torch.set_rng_state(before)
    Playground(width=8, seed=2).iteration()
    assert torch.equal(torch.get_rng_state(), before)
    assert not same(weights(one), weights(Playground(width=8, seed=2)))


def test_rates_act_at_once():
    machine = Playground(width=8)
    before = weights(machine)
    machine.set_rates(1e-30, 1e-30)
    machine.iteration()
    assert same(before, weights(machine))


@pytest.mark.parametrize("loss", LOSSES.values())
def test_the_push_is_minus_the_gradient_of_each_points_own_loss(loss):
    machine = Playground(width=8, loss=loss)
    points = torch.tensor([[0.3, -0.2], [1.5, 1.0]])
    push = machine.push(points)
    for point, got in zip(points, push, strict=True):
        for axis in (0, 1):
            step = torch.zeros(2)
            step[axis] = 1e-2
            up, down = (LOSSES_G[loss](machine.state.D((point + e)[None])) for e in (step, -step))
            assert -float((up - down).detach()) / 2e-2 == pytest.approx(float(got[axis]), abs=2e-3)
    assert all(p.grad is None for p in machine.state.D.parameters())


def test_it_learns_the_ring():
    machine = Playground()
    assert machine.coverage()[0] <= 2
    for _ in range(1000):
        machine.iteration()
    assert machine.coverage()[0] >= 6 and machine.finite()


@pytest.mark.parametrize(
    "wrong", [{"shape": "vòng"}, {"k": 0}, {"lr_D": 0.0}, {"lr_G": math.nan}, {"loss": "khác"}, {"seed": -1}]
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="phải là|Không có dữ liệu"):
        Playground(**wrong)


# --- the picture ---


def test_the_picture_shows_what_changed():
    machine = Playground(width=16)
    scene = Scene(machine.real)
    first, again = scene.png(machine), scene.png(machine)
    assert first == again and len(scene.png(machine, small=True)) < len(first) / 2
    machine.step_D()
    moved_D = scene.png(machine)
    machine.step_G()
    pictures = [
        np.asarray(Image.open(io.BytesIO(one))).astype(int) for one in (first, moved_D, scene.png(machine))
    ]
    assert pictures[0].shape == (395, 1080, 3)
    left, middle = slice(0, 365), slice(370, 735)
    assert np.abs(pictures[1] - pictures[0])[:, left].sum() > 0  # D's map
    assert np.abs(pictures[1] - pictures[0])[:, middle].sum() == 0  # G's grid stands still
    assert np.abs(pictures[2] - pictures[1])[:, middle].sum() > 0


# --- the panel ---


def test_every_choice_is_known():
    assert set(SHAPES.values()) == set(KNOWN) and set(LOSSES.values()) == set(LOSSES_G)
    assert LOSSES_G["non_saturating"] is loss_G


def test_buttons(panel):
    at_first, seen = weights(panel.machine), pixels(panel)
    panel.buttons["D"].click()
    assert "D đã đi 1/1 bước" in words(panel) and not same(at_first, weights(panel.machine))
    panel.buttons["G"].click()
    assert "Vòng lặp 1." in words(panel) and "loss_G" in words(panel)
    panel.buttons["one"].click()
    assert "Vòng lặp 2." in words(panel) and re.search(r"Độ phủ: \d/8 mode", words(panel))
    assert (pixels(panel) != seen).any()
    panel.buttons["restart"].click()
    assert "Vòng lặp 0." in words(panel) and same(at_first, weights(panel.machine))


def test_choices_that_act_at_once(panel):
    panel.buttons["one"].click()
    machine = panel.machine
    panel.now["k"].value, panel.now["loss"].value = 4, "minimax"
    panel.now["lr_D"].value, panel.now["lr_G"].value = 1e-2, 1e-4
    assert panel.machine is machine and (machine.k, machine.loss) == (4, "minimax")
    rates = [one.param_groups[0]["lr"] for one in (machine.state.optimizer_D, machine.state.optimizer_G)]
    assert rates == pytest.approx([1e-2, 1e-4])


def test_choices_that_begin_anew(panel):
    panel.now["k"].value = 4
    for name, value in {"shape": "grid", "width": 8, "seed": 7}.items():
        panel.buttons["one"].click()
        panel.anew[name].value = value
        assert "Vòng lặp 0." in words(panel)
    assert "/25 mode" in words(panel)
    assert same(weights(panel.machine), weights(Playground("grid", 8, 7))) and panel.machine.k == 4


def run(panel, then, seconds=0.6):
    """Press Chạy, wait, do `then`, and let the loop come to rest."""

    async def go():
        panel.buttons["run"].click()
        await asyncio.sleep(seconds)
        then()
        done = panel.machine.state.iterations
        await asyncio.sleep(0.2)
        return done

    return asyncio.run(go())


def test_run_and_stop(panel):
    done = run(panel, panel.buttons["run"].click)
    assert done > 2 and panel.machine.state.iterations == done
    assert f"Vòng lặp {done}." in words(panel) and panel.buttons["run"].description == "Chạy"


def test_slow_is_one_iteration_a_drawing(panel):
    panel.now["speed"].value = SPEEDS["từng vòng"]
    drawn = []
    panel.draw = lambda draw=panel.draw: (drawn.append(1), draw())
    done = run(panel, panel.buttons["run"].click, 0.3)
    assert done <= len(drawn) <= done + 2


@pytest.mark.parametrize("name", ["D", "G", "one", "restart"])
def test_any_click_stops_the_run(panel, name):
    run(panel, panel.buttons[name].click, 0.2)
    assert panel.task is None and panel.buttons["run"].description == "Chạy"


def test_choices_while_it_runs(panel):
    done = run(panel, lambda: setattr(panel.now["k"], "value", 2), 0.2)
    assert panel.task is not None and panel.machine.state.iterations > done  # it goes on
    run(panel, lambda: setattr(panel.anew["seed"], "value", 2), 0.1)
    assert panel.task is None and panel.machine.state.iterations == 0


def test_a_rate_that_blows_up_ends_the_run(panel):
    panel.machine.state.D[0].weight.data.fill_(math.nan)
    panel.machine.state.G[0].weight.data.fill_(math.nan)
    run(panel, lambda: None, 0.3)
    assert words(panel) == NOT_FINITE and panel.task is None
    panel.buttons["restart"].click()
    assert "Vòng lặp 0." in words(panel)


def test_clicks_from_other_threads_wait_for_their_turn(panel):
    threads = [threading.Thread(target=panel.buttons["one"].click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert panel.machine.state.iterations == 8


def test_playground_shows_a_picture_beside_the_widget(monkeypatch):
    shown = []
    monkeypatch.setattr(playground_panel, "show", lambda *arguments: shown.append(arguments))
    playground_panel.playground("squares", width=8)
    widget, caption, (picture, alt, width) = shown[0]
    assert "ganlib-playground" in widget._dom_classes and "JupyterLab" in caption
    assert alt.startswith("Sân chơi sau 300 vòng lặp.") and "/2 mode" in alt and width == 1080
    assert Image.open(io.BytesIO(picture)).size == (1080, 395)
