"""ganlib.figures and images/draw.py: where the pixels go, what the labels say; the committed pictures."""

import base64
import importlib.util
import io
import itertools
import math
from unittest.mock import Mock, patch

import nbformat
import numpy as np
import pytest
import torch
from conftest import NOTEBOOKS, ROOT, drawn_by_the_lock, pixels
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image, ImageChops, ImageSequence

from ganlib import figures
from ganlib.data import to_float

IMAGES = ROOT / "images"
spec = importlib.util.spec_from_file_location("draw", IMAGES / "draw.py")
draw = importlib.util.module_from_spec(spec)
spec.loader.exec_module(draw)
STILLS = [name for name in draw.PICTURES if name.endswith(".png") and name != "stepper.png"]
RANDOM = np.random.RandomState(0)


def pictures(n, *shape):
    return RANDOM.randint(0, 255, (n, *(shape or (28, 28))), np.uint8)


def texts(figure):
    """Every text that is really drawn (a tick outside the axes is not) with its box."""
    canvas, paint = FigureCanvasAgg(figure), Text.draw
    with patch.object(Text, "draw", autospec=True, side_effect=paint) as draw_text:
        canvas.draw()
    drawn = [call.args[0] for call in draw_text.call_args_list]
    found = [text for text in drawn if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in found]


def words(figure):
    return {text for text, _ in texts(figure)}


def white_edged(png):
    picture = pixels(png)
    return (picture[[0, -1]] == 255).all() and (picture[:, [0, -1]] == 255).all()


def frames(film):
    """Of an animated picture: its frames in grey, floats (height, width)."""
    return [np.asarray(frame.convert("L"), float) for frame in ImageSequence.Iterator(Image.open(film))]


def difference(drawn, name):
    """From the committed picture: the greatest mean difference (of 255) over a block of 20 × 20 pixels."""
    one, two = (Image.open(path).convert("L") for path in (drawn, IMAGES / name))
    assert one.size == two.size
    return ImageChops.difference(one, two).reduce(20).getextrema()[1]


@drawn_by_the_lock
def test_committed_pictures_are_what_is_drawn(tmp_path):
    draw.draw(tmp_path, *(name.split(".")[0] for name in [*STILLS, "film.webp"]))
    assert [name for name in STILLS if difference(tmp_path / name, name) >= 40] == []
    now, committed = frames(tmp_path / "film.webp"), frames(IMAGES / "film.webp")
    assert len(now) == len(committed) and np.abs(np.subtract(now, committed)).mean((1, 2)).max() < 2
    moved = draw.gan_structure()
    moved.axes[0].texts[2].set_y(0.3)  # one word: enough to be seen
    assert difference(io.BytesIO(figures.png(moved)), "GAN_structure.png") > 50


def test_committed_pictures_are_opaque_white_edged_and_small():
    """So they look the same on a dark page. Notebook 00 carries the one of README."""
    for name in [*STILLS, "stepper.png"]:
        content = (IMAGES / name).read_bytes()
        image = Image.open(io.BytesIO(content))
        assert image.mode == "P" and "transparency" not in image.info  # P: at most 256 colours
        assert white_edged(content) and len(content) < 250_000, name
    assert (IMAGES / "film.webp").stat().st_size < 2_000_000
    attached = [cell.get("attachments", {}) for cell in nbformat.read(NOTEBOOKS[0], as_version=4).cells]
    (held,) = (files["GAN_structure.png"] for files in attached if "GAN_structure.png" in files)
    assert base64.b64decode(held["image/png"]) == (IMAGES / "GAN_structure.png").read_bytes()


def test_the_film_shows_the_first_iterations_then_each_epoch(make_record):
    runs = make_record(12), make_record(12)
    runs[0].images[4, 7] = 255  # one white image in a frame of noise
    shown = frames(io.BytesIO(draw.film(*runs)))
    assert len(shown) == 6 + 9 and shown[0].shape == (404, 752)  # of the first three epochs, of nine epochs
    # image 7: second row, second column, below 40 pixels of words; the frame before it, and its neighbour
    white, *others = shown[7][100:156, 64:120], shown[6][100:156, 64:120], shown[7][100:156, 124:180]
    assert white.mean() > 240 > 200 > max(other.mean() for other in others)
    assert all(frame[:40].min() < 120 for frame in shown)  # the words


@pytest.mark.parametrize("n, columns, shown", [(1, None, 1), (7, 3, 3), (5, 9, 5)])
@pytest.mark.parametrize("shape", [(28, 28), (1, 20, 50), (3, 32, 24)], ids=str)
def test_grid_puts_image_i_at_its_row_and_column(n, columns, shown, shape):
    """Of any height and width; colour stays colour."""
    images, (h, w) = pictures(n, *shape), shape[-2:]
    last_axis = np.moveaxis(images.reshape(n, -1, h, w), 1, -1)  # as numpy and PIL hold colours
    expected = np.full((math.ceil(n / shown) * (h + 2) + 2, shown * (w + 2) + 2, last_axis.shape[-1]), 255, np.uint8)
    for i, image in enumerate(last_axis):
        top, left = 2 + i // shown * (h + 2), 2 + i % shown * (w + 2)
        expected[top : top + h, left : left + w] = image
    flat, floats = expected.squeeze(), to_float(torch.from_numpy(images))
    for given in (images, last_axis, floats, floats.double().numpy()):
        np.testing.assert_array_equal(figures.grid_pixels(given, columns), flat)
    np.testing.assert_array_equal(figures.image_grid(floats, columns).axes[0].images[0].get_array(), flat)
    enlarged = expected.repeat(3 // expected.shape[2], 2).repeat(3, 0).repeat(3, 1)
    np.testing.assert_array_equal(pixels(figures.grid_png(images, columns, scale=3)), enlarged)


def test_what_is_no_image_gets_a_sentence():
    for images, message in (
        (np.zeros((2, 784)), r"\(n, H, W\) hoặc \(n, C, H, W\).*đã nhận \(2, 784\)"),
        (np.zeros((2, 2, 28, 28)), "C là 1 hoặc 3"),
        (255 * np.eye(28)[None], r"\[-1, 1\] hoặc uint8; đã nhận từ 0 đến 255"),
    ):
        with pytest.raises(ValueError, match=message):
            figures.image_grid(images)


def two_lines():
    lines = [("một", [1, 2, 3], [[1, 2, 4], [3, 4, 8]], "k", "-"), ("hai", [1, 3], [5, 500], "b", "o")]
    levels = [(2, "mức"), (900, "ngoài")]  # 500 and 900 lie outside
    return figures.curves(lines, "bước", "y", levels, ylim=(0.9, 40), log=True)


def grid(n, *shape, **options):
    return figures.image_grid(pictures(n, *shape), title="Ảnh giả", **options)


FIGURES = {
    "structure": draw.gan_structure,
    "captions": lambda: grid(36, captions=[f"{i / 36:.2f}" for i in range(36)]),
    "rows, colour": lambda: grid(100, 3, 64, 32, columns=10, rows=[f"epoch {i}" for i in range(10)]),
    "curves": two_lines,
    "equilibrium": lambda: figures.loss_curves([1.386] * 9, [0.693] * 9, [0.5] * 9, [0.5] * 9, 9),
    "D has won": lambda: figures.loss_curves([1.0, 0.0], [2.0, 40.0], [0.9, 1.0], [0.1, 0.0], 100, "A"),
    "first epoch": lambda: figures.loss_curves([1.1], [0.9], [0.6], [0.4], 100),
    "no number": lambda: figures.loss_curves([1.1, math.nan], [0.9, math.nan]),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_cut_or_lies_on_another(name):
    figure = FIGURES[name]()
    for (one, a), (two, b) in itertools.combinations(texts(figure), 2):
        assert a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0, f"{one!r} and {two!r} overlap"
    assert white_edged(figures.png(figure))


def test_what_was_asked_for_is_written_and_several_runs_are_their_mean_in_a_band():
    captions, rows = list("abcd"), ["trên", "dưới"]
    assert words(grid(4, columns=2, captions=captions, rows=rows)) > {*captions, *rows}
    figure = two_lines()
    assert words(figure) >= {"một", "hai", "mức", "bước", "y"} and "ngoài" not in words(figure)
    assert list(figure.axes[0].lines[0].get_ydata()) == [2, 3, 6]
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (1, 8)


def dotted(ax):
    return [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == ":"]


def test_loss_curves_show_the_losses_their_levels_and_colours():
    values = [1.3, 1.2, 1.1], [0.8, 0.9, 1.0], [0.6, 0.59, 0.58], [0.4, 0.41, 0.42]
    figure = figures.loss_curves(*values, total=10)
    ends = {"loss_D = 1.10", "loss_G = 1.00", "D(x) = 0.58", "D(G(z)) = 0.42"}
    assert words(figure) >= ends | {"2 log 2 ≈ 1.386", "log 2 ≈ 0.693", "1/2"}
    losses, answers = figure.axes
    curves = [line for ax in figure.axes for line in ax.lines if list(line.get_xdata()) == [1, 2, 3]]
    assert [list(line.get_ydata()) for line in curves] == list(values)
    assert [line.get_linestyle() for line in curves] == ["-", "--"] * 2
    assert dotted(losses) == pytest.approx([2 * math.log(2), math.log(2)]) and dotted(answers) == [0.5]
    assert all(ax.get_xlim() == (1, 10) for ax in figure.axes)
    colours = {colour for _, colour in Image.open(io.BytesIO(figures.png(figure))).convert("RGB").getcolors()}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)} <= colours  # exactly


def test_negative_losses_are_seen():
    for loss_D, loss_G, levels in (
        ([-5.0, -8.0], [-1.0, 2.0], []),  # WGAN: neither is the paper's
        ([1.3, 1.35], [-0.6, -0.7], [2 * math.log(2)]),  # minimax: loss_D is
    ):
        ax = figures.loss_curves(loss_D, loss_G).axes[0]
        (low, high), every = ax.get_ylim(), loss_D + loss_G
        assert low < min(every) and max(every) < high < max(every) + 0.1 * (max(every) - min(every))
        assert dotted(ax) == pytest.approx(levels)


def test_a_live_picture_and_its_line_stand_there_once_with_alt_text(monkeypatch):
    handles = picture, line = Mock(), Mock()
    monkeypatch.setattr(figures, "display", display := Mock(side_effect=handles))
    alt = "Lưới 4 ảnh *giả* & thật, D(x) < 1/2, loss_D: $1"
    live, drawn = figures.Live(), grid(4)
    live.show(grid(1), "ảnh cũ")
    live.show(drawn, alt, caption="100 epoch")
    assert display.call_count == 2
    (bundle,), options = picture.update.call_args
    assert base64.b64decode(bundle["image/png"]) == figures.png(drawn) and bundle["text/plain"] == alt
    width = round(pixels(figures.png(drawn)).shape[1] / 1.6)
    assert options == {"raw": True, "metadata": {"image/png": {"alt": alt, "width": width}}}
    ((below,), _) = line.update.call_args
    assert below["text/markdown"] == r"*Lưới 4 ảnh \*giả\* & thật, D(x) \< 1/2, loss\_D: \$1* 100 epoch"
