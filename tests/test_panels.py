"""ganlib.panels without a browser: what is drawn, what playing does, what a saved notebook shows."""

import asyncio
import io
import re

import nbformat
import numpy as np
import pytest
from notebook_checks import check_alt, check_widgets
from PIL import Image
from refresh_notebooks import WIDGET, clean_output

from ganlib import figures, panels

E = 12


@pytest.fixture
def record(make_record):
    return make_record(E)


@pytest.fixture
def panel(record, monkeypatch):
    monkeypatch.setattr(panels, "FRAME", 0.001)
    return panels.Replay(record)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


# --- an epoch ---


@pytest.mark.parametrize("epoch", [1, 7, E])
def test_an_epoch_shows_its_images_and_numbers(panel, record, epoch):
    panel.slider.value = epoch
    grid = pixels(panel.grid.value)[::2, ::2, 0]
    np.testing.assert_array_equal(grid, figures.grid_pixels(record.images[epoch - 1]))
    loss_D, loss_G, D_x, D_Gz = (
        v[epoch - 1] for v in (record.loss_D, record.loss_G, record.D_x, record.D_Gz)
    )
    numbers = f"loss_D = {loss_D:.2f}, loss_G = {loss_G:.2f}, D(x) = {D_x:.2f}, D(G(z)) = {D_Gz:.2f}"
    assert f"<b>Epoch {epoch}/{E}</b>: {numbers}" in panel.text.value


def test_the_marker_stands_on_the_curves(panel):
    beneath = pixels(panel.pictures[1][0])
    scale = beneath.shape[1] / panel.size[0]
    columns = []
    for panel.slider.value in range(1, E + 1):
        column, top, bottom = map(
            float, re.search(r"M([\d.]+) ([\d.]+)V([\d.]+)", panel.marker.value).groups()
        )
        dots = re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="7" fill="#(\w+)"', panel.marker.value)
        for x, y, color in dots:
            x, y = float(x), float(y)
            assert x == column and top <= y <= bottom
            row, left = round(y * scale), round(x * scale)
            around = beneath[row - 8 : row + 9, left - 8 : left + 9].reshape(-1, 3)
            assert np.abs(around - list(bytes.fromhex(color))).sum(1).min() < 30  # the curve of that colour
        assert len(dots) == 4
        columns.append(column)
    np.testing.assert_allclose(np.diff(columns), np.diff(columns)[0], atol=0.2)  # epochs in equal steps


def test_no_number_of_another_epoch_stands_beside_the_curves(record, monkeypatch):
    drawn, png = [], figures.png
    monkeypatch.setattr(figures, "png", lambda figure: drawn.append(words(figure)) or png(figure))
    panels.Replay(record)
    for_pages, behind_marker = drawn
    assert f"loss_D = {record.loss_D[-1]:.2f}" in for_pages
    assert "loss_D" in behind_marker and not any("=" in word for word in behind_marker)


def words(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


# --- playing ---


def play(*watched):
    """Click each panel's play button; the epochs that each shows until all have stopped."""
    seen = [[] for _ in watched]

    async def run():
        for panel, epochs in zip(watched, seen, strict=True):
            panel.slider.observe(lambda change, epochs=epochs: epochs.append(change.new), "value")
            panel.button.click()
            assert panel.button.description == "Tạm dừng"
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait_for(asyncio.gather(*others), 20)

    asyncio.run(run())
    assert all(panel.task is None and panel.button.description == "Phát" for panel in watched)
    return seen


def test_playing_shows_every_epoch_stops_and_begins_anew(panel):
    assert play(panel) == [list(range(2, E + 1))]
    assert play(panel) == [list(range(1, E + 1))]


def test_playing_goes_on_from_the_epoch_shown(panel):
    panel.slider.value = 9
    assert play(panel) == [[10, 11, 12]]


def at(panel, epoch, action):
    panel.slider.observe(lambda change: action() if change.new == epoch else None, "value")


def test_pause_stops_at_once(panel):
    at(panel, 5, panel.button.click)
    assert play(panel) == [[2, 3, 4, 5]]
    assert "Epoch 5/" in panel.text.value


def test_pause_and_play_in_one_breath_leave_one_film_running(panel):
    at(panel, 5, lambda: (panel.button.click(), panel.button.click()))
    assert play(panel) == [list(range(2, E + 1))]


def test_a_hand_on_the_slider_stops_the_film_there(panel):
    at(panel, 5, lambda: panel.slider.set_trait("value", 9))
    (epochs,) = play(panel)
    assert sorted(epochs) == [2, 3, 4, 5, 9]
    assert panel.slider.value == 9 and "Epoch 9/" in panel.text.value


def test_two_panels_do_not_disturb_each_other(panel, record):
    other = panels.Replay(record)
    at(other, 4, other.button.click)
    assert play(panel, other) == [list(range(2, E + 1)), [2, 3, 4]]


# --- on the page ---


@pytest.fixture
def shown(monkeypatch):
    """What is handed to the notebook: (bundle, options) of each display."""
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: calls.append((a[0], k)))
    return calls


def test_the_output_is_a_widget_and_a_picture_for_where_none_shows(record, shown):
    assert panels.replay(record) is None
    ((bundle, options),) = shown
    assert options == {"raw": True} and WIDGET in bundle
    output = nbformat.v4.new_output("display_data", bundle)
    clean_output(output)
    assert set(output.data) == {"text/html", "text/plain"}
    cell = nbformat.v4.new_code_cell("replay(record)", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    assert not check_alt(notebook) and not check_widgets(notebook)
    assert output.data["text/html"].count("<img ") == 2
    assert f"loss_G = {record.loss_G[-1]:.2f}" in output.data["text/plain"]
    assert f"Sau epoch {E}" in output.data["text/html"] and f"Sau epoch {E}" in output.data["text/plain"]
    assert len(output.data["text/html"]) < 300_000


def test_an_alt_text_may_hold_any_character():
    assert '<img alt="&quot;thật&quot; &lt; 1/2" width="9"' in panels.img(b"", '"thật" < 1/2', 'width="9"')


def test_the_picture_is_of_the_last_epoch(panel, record):
    (grid, alt, _), _ = panel.pictures
    np.testing.assert_array_equal(pixels(grid)[::2, ::2, 0], figures.grid_pixels(record.images[-1]))
    assert f"epoch {E}" in alt


def test_one_epoch_is_a_picture_without_controls(make_record):
    panel = panels.Replay(make_record(1))
    assert "Epoch 1/1" in panel.text.value
    assert panel.widget.children[0] is panel.text  # a slider from 1 to 1 fails in the browser


@pytest.mark.parametrize("wrong", ["mnist.safetensors", None, {"images": []}])
def test_anything_but_a_record_is_refused_with_what_to_do(wrong):
    with pytest.raises(TypeError, match=r"cần một bản ghi .* Record\.load"):
        panels.replay(wrong)
