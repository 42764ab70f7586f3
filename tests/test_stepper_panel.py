"""The stepper's panel without a browser: what each stop shows, what the buttons and choices do."""

import asyncio
import base64
import html
import io
import re
import threading

import nbformat
import numpy as np
import pytest
from notebook_checks import check_alt, check_widgets
from PIL import Image
from refresh_notebooks import WIDGET, clean_output

from ganlib import data, figures, stepper_panel
from ganlib.stepper import AT_START, SITUATIONS, STOPS
from ganlib.stepper_panel import Panel
from ganlib.stepper_sheet import SHOWN, curves

SMALL = {"hidden_G": (8, 16), "hidden_D": (16, 8), "m": 10, "lr_D": 0.002}


@pytest.fixture(autouse=True)
def sample(tmp_path, monkeypatch):
    """`load` finds the shipped sample and nothing else."""
    monkeypatch.delenv("GANLIB_DATA", raising=False)
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(data, "_failures", {})


@pytest.fixture
def panel():
    return Panel("mnist", **SMALL)


def click(panel, *names):
    for name in names:
        panel.buttons[name].click()


def choose(panel, **values):
    for name, value in values.items():
        panel.choices[name].value = value


def words(panel):
    """The sheet as a reader sees it, without tags."""
    text = re.sub(r"<sub>(.)</sub>", r"_\1", panel.sheet.value)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)))


def at(panel):
    return panel.machine.stop.key, panel.machine.view().iteration


def weights(panel):
    state = panel.machine.state
    return [p.detach().clone() for network in (state.D, state.G) for p in network.parameters()]


def same(ours, theirs):
    return all(bool((a == b).all()) for a, b in zip(ours, theirs, strict=True))


# --- the sheet ---


def test_every_stop_lights_its_line_and_says_what_happened(panel):
    for key, stop in STOPS.items():
        assert at(panel)[0] == key
        v, shown = panel.machine.view(), words(panel)
        assert v.sentence in shown and f"vòng lặp {v.iteration}" in shown
        lit = re.findall(r'aria-current="step"><span>(\d)</span>', panel.sheet.value)
        assert lit == [str(stop.step)] * (stop.step > 0)
        fine = re.findall(r"<b>(\d[a-e]) [^.]*?</b>", panel.sheet.value)
        assert fine == [key] * (len(key) == 2)
        for name in "DG":
            told = getattr(v, name)
            assert f"‖∇θ_{name.lower()}‖ {told.norm} ‖Δθ_{name.lower()}‖ {told.moved:.4g}" in shown
        assert f"loss_{stop.who} {v.loss:.4f}" in shown if v.loss is not None else "– ‖∇" in shown
        for name, mean in ("D(x)", "mean_x"), ("D(G(z))", "mean_Gz"):
            means = [getattr(one, mean) for one in (v.before, v.after) if one and getattr(one, mean)]
            assert f"{name}: " + " → ".join(f"{mean:.3f}" for mean in means) in shown if means else True
        assert shown.count("giữ nguyên") >= (stop.step > 0)
        click(panel, "step")


def test_the_images_are_those_of_the_batch_and_each_has_its_answers(panel):
    click(panel, "half")
    v = panel.machine.view()
    strips = re.findall(r'<img alt="([^"]+)" [^>]*base64,([^"]+)"', panel.sheet.value)
    x = next(one.values for one in v.held if one.name == "x")
    for (alt, png), images in zip(strips, (x, v.after.Gz), strict=True):
        strip = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))[::2, ::2]
        np.testing.assert_array_equal(strip, figures.grid_pixels(images[:SHOWN]))
        assert alt.endswith("8 ảnh đầu của batch")
    pairs = re.findall(r"(\d\.\d\d)<br><b>(\d\.\d\d)</b></div>", panel.sheet.value)
    was, now = ([*one.D_x[:SHOWN], *one.D_Gz[:SHOWN]] for one in (v.before, v.after))
    assert pairs == [(f"{a:.2f}", f"{b:.2f}") for a, b in zip(was, now, strict=True)]


def test_the_half_of_G_shows_no_real_image(panel):
    click(panel, "iteration")
    assert "Nửa vòng của G không dùng ảnh thật." in words(panel) and panel.sheet.value.count("<img") == 1
    assert f"ở vòng lặp 1: {panel.machine.history[-1].D_x:.3f}" in words(panel)


def test_the_curve_holds_every_finished_iteration_and_bounds_its_points(panel):
    click(panel, *["iteration"] * 3)
    history = panel.machine.view().history
    line = re.findall(r'<polyline points="([^"]*)"', curves(history))
    assert [len(points.split()) for points in line] == [4, 4]  # the last one twice
    assert len(curves(history * 2000)) < 12_000
    strange = [one._replace(loss_D=float("nan"), loss_G=-3.0) for one in history]
    points = re.findall(r"[\d.-]+,([\d.-]+)", re.findall(r'<polyline points="([^"]*)"', curves(strange))[1])
    assert all(0 <= float(y) <= 78 for y in points)


def test_numbers_that_are_none_are_shown_as_such(panel):
    choose(panel, lr_D="1e30", lr_G="1e30")
    click(panel, "restart", *["iteration"] * 5, "half")
    assert "NaN" in words(panel)


# --- the buttons ---


def test_buttons_go_where_they_say(panel):
    choose(panel, k=2)
    click(panel, "restart")
    places = []
    for name in ("step", "back", "back", "half", "back", "iteration", "half", "restart"):
        click(panel, name)
        places.append(at(panel))
    assert places == [("1a", 1), ("0", 0), ("0", 0), ("2e", 1), ("2d", 1), ("5c", 1), ("2e", 2), ("0", 0)]


def test_no_way_back_is_said_until_the_next_click(panel):
    click(panel, "back")
    assert AT_START in words(panel)
    click(panel, "step")
    assert AT_START not in words(panel)


def test_buttons_have_words_and_tooltips(panel):
    assert all(one.description and one.tooltip for one in panel.buttons.values())
    assert all(one.description for one in panel.choices.values())


# --- running ---


def run(*panels, during=lambda: None):
    """Begin the long run of each panel; `during`: called while it runs; returns when all stand still."""

    async def main():
        for panel in panels:
            click(panel, "run")
            assert panel.buttons["run"].description == "Dừng"
        while not all(panel.machine.history for panel in panels):
            await asyncio.sleep(0.01)
        during()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait_for(asyncio.gather(*others), 60)

    asyncio.run(main())
    assert all(one.task is None and one.buttons["run"].description.startswith("Chạy") for one in panels)


def test_the_long_run_ends_with_the_weights_of_single_clicks(panel, monkeypatch):
    monkeypatch.setattr(stepper_panel, "RUN", 8)
    click(panel, *["step"] * 3)
    run(panel)
    other = Panel("mnist", **SMALL)
    click(other, *["iteration"] * 8)
    assert at(panel) == at(other) == ("5c", 8) and same(weights(panel), weights(other))
    assert words(panel) == words(other)


@pytest.mark.parametrize("name", ["run", "step", "back", "half", "iteration", "restart"])
def test_any_button_stops_a_run_and_does_nothing_else(panel, monkeypatch, name):
    monkeypatch.setattr(stepper_panel, "RUN", 10**6)
    monkeypatch.setattr(stepper_panel, "FRAME", 10**6)
    drawn = []
    panel.sheet.observe(lambda _change: drawn.append(len(panel.machine.history)), "value")
    run(panel, during=lambda: click(panel, name))
    done = len(panel.machine.history)
    assert done and at(panel) == ("5c", done) and f"Đã dừng sau vòng lặp {done}" in words(panel)
    assert drawn == [done]  # not every iteration is drawn
    click(panel, "step")
    assert at(panel) == ("1a", done + 1) and "Đã dừng" not in words(panel)


def test_a_click_in_another_thread_waits_until_an_iteration_is_whole(panel, monkeypatch):
    monkeypatch.setattr(stepper_panel, "RUN", 10**6)
    other = threading.Timer(0.05, click, (panel, "step"))  # JupyterLab has several
    run(panel, during=other.start)
    other.join()
    done = len(panel.machine.history)
    assert at(panel) == ("5c", done) and f"Đã dừng sau vòng lặp {done}" in words(panel)


def test_stop_and_run_in_one_breath_leave_one_run(panel, monkeypatch):
    monkeypatch.setattr(stepper_panel, "RUN", 60)
    run(panel, during=lambda: click(panel, "run", "run") if panel.task else None)
    assert at(panel)[0] == "5c" and 60 <= len(panel.machine.history) <= 120


def test_two_panels_do_not_disturb_each_other(panel, monkeypatch):
    monkeypatch.setattr(stepper_panel, "RUN", 5)
    other, alone = (Panel("mnist", **SMALL | {"seed": seed}) for seed in (1, 0))
    run(panel, other)
    click(alone, *["iteration"] * 5)
    assert same(weights(panel), weights(alone)) and not same(weights(panel), weights(other))


# --- the choices ---


def test_choices_wait_for_the_restart_and_say_so(panel):
    click(panel, "iteration")
    before = weights(panel)
    choose(
        panel,
        k=3,
        loss="minimax",
        seed="7",
        lr_D="0.0002",
        lr_G="2e-4",
        data="fashion",
        situation="no_detach",
    )
    assert "Bấm Làm lại" in words(panel) and panel.buttons["restart"].button_style == "warning"
    assert at(panel) == ("5c", 1) and same(before, weights(panel))
    click(panel, "restart")
    s = panel.machine.state.settings
    assert (s.k, s.loss, s.seed, s.lr_D, s.lr_G) == (3, "minimax", 7, 0.0002, 0.0002)
    assert panel.machine.images.name == "fashion" and "FashionMNIST" in words(panel)
    assert SITUATIONS["no_detach"].question in words(panel) and "Bấm Làm lại" not in words(panel)
    assert "log(1 − D(G(z)))" in words(panel).split("Huấn luyện G")[1]
    assert s.hidden_G == SMALL["hidden_G"] and panel.buttons["restart"].button_style == ""


@pytest.mark.parametrize("typed", ["0.0002", "2e-4", "0,0002", " 2E-4 "])
def test_learning_rates_as_people_write_them(panel, typed):
    choose(panel, lr_G=typed)
    click(panel, "restart")
    assert panel.machine.state.settings.lr_G == 0.0002


BAD = {"lr_D": ["abc", "", "-1", "0", "nan", "inf"], "lr_G": ["1/2"], "seed": ["-1", "1.5", "9" * 30, "x"]}


@pytest.mark.parametrize("name, typed", [(name, typed) for name, all in BAD.items() for typed in all])
def test_what_cannot_be_is_refused_and_nothing_is_lost(panel, name, typed):
    click(panel, "iteration", "step")
    before, was = weights(panel), panel.choices[name].value
    choose(panel, **{name: typed})
    assert f"{name} phải là" in words(panel)
    click(panel, "restart")
    assert f"{name} phải là" in words(panel) and "vẫn y nguyên" in words(panel)
    assert at(panel) == ("1a", 2) and same(before, weights(panel))
    choose(panel, **{name: was})
    click(panel, "restart")
    assert at(panel) == ("0", 0) and "phải là" not in words(panel)


def test_data_that_cannot_be_read_loses_nothing(panel, monkeypatch):
    def fail(name):
        raise data.DataError(f"Tệp của {name} bị hỏng.")

    monkeypatch.setattr("ganlib.stepper.load", fail)
    click(panel, "step")
    choose(panel, data="fashion")
    click(panel, "restart")
    assert "Tệp của fashion bị hỏng." in words(panel) and "MNIST · epoch" in words(panel)
    assert at(panel) == ("1a", 1)


@pytest.mark.parametrize("key", list(SITUATIONS)[1:])
def test_what_if_asks_the_class_and_names_what_it_sets(panel, key):
    choose(panel, situation=key)
    click(panel, "restart")
    situation = SITUATIONS[key]
    assert f"Nếu như: {situation.name}" in words(panel) and situation.question in words(panel)
    assert all(f"{name} = {value}" in words(panel) for name, value in situation.settings.items())
    click(panel, "iteration", "iteration")
    assert panel.machine.view().sentence in words(panel)


def test_a_choice_made_while_it_runs_is_still_said_at_the_end(panel, monkeypatch):
    monkeypatch.setattr(stepper_panel, "RUN", 10**6)
    run(panel, during=lambda: (choose(panel, k=2), panel.stand_still()))
    assert "Bấm Làm lại" in words(panel)


# --- on the page ---


def test_the_output_is_a_widget_and_a_true_picture(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append((a[0], k)))
    assert stepper_panel.stepper(**SMALL) is None
    ((bundle, options),) = shown
    assert options == {"raw": True} and WIDGET in bundle
    output = nbformat.v4.new_output("display_data", bundle)
    clean_output(output)
    cell = nbformat.v4.new_code_cell("stepper()", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    assert not check_alt(notebook) and not check_widgets(notebook)
    other = Panel(**SMALL)
    click(other, "half")
    assert other.machine.view().sentence in output.data["text/plain"]
    assert output.data["text/html"].count("<img ") == 1 and len(output.data["text/html"]) < 300_000


@pytest.mark.parametrize("wrong", [{"k": 0}, {"lr_D": "abc"}, {"data": "cifar"}])
def test_what_cannot_be_is_refused_by_the_cell(wrong):
    with pytest.raises((ValueError, data.DataError)):
        stepper_panel.stepper(**SMALL | wrong)
