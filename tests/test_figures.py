"""ganlib.figures, ganlib.diagrams: where the pixels go, what the labels say; the committed pictures."""

import base64
import io
import itertools
import math
from unittest.mock import Mock

import matplotlib
import numpy as np
import pytest
import torch
from conftest import ROOT, pixels
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image, ImageChops, ImageSequence

from ganlib import diagrams, figures
from ganlib.data import to_float

IMAGES = ROOT / "images"
NAMES = ["mnist_train.png", "mnist_loss.png", "fashion_epoch.png", "fashion_loss.png", "GAN_structure.png"]
NAMES += [f"eqn{n}.png" for n in range(1, 7)]
RANDOM = np.random.RandomState(0)


def pictures(n):
    return RANDOM.randint(0, 255, (n, 28, 28)).astype(np.uint8)


def texts(figure):
    """Every text that is really drawn (a tick outside the axes is not) with its box."""
    drawn, draw, canvas = [], Text.draw, FigureCanvasAgg(figure)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", lambda self, *a, **kw: (drawn.append(self), draw(self, *a, **kw))[1])
        canvas.draw()
    found = [text for text in drawn if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in found]


def words(figure):
    return {text for text, _ in texts(figure)}


def white_edged(png):
    picture = pixels(png)
    return all((edge == 255).all() for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]))


def frames(film):
    """Of an animated picture, path or file: its frames in grey, floats (height, width)."""
    return [np.asarray(frame.convert("L"), float) for frame in ImageSequence.Iterator(Image.open(film))]


def difference(one, two):
    """Of two pictures: the greatest mean difference (of 255) over a block of 20 × 20 pixels."""
    one, two = (Image.open(path).convert("L") for path in (one, two))
    assert one.size == two.size
    return ImageChops.difference(one, two).reduce(20).getextrema()[1]


@pytest.mark.skipif(matplotlib.__version_info__ < (3, 11, 2), reason="matplotlib cũ hơn đặt chữ khác đi")
def test_committed_pictures_are_what_is_drawn(tmp_path):
    diagrams.draw_all(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*NAMES, "film.webp"}
    for name in NAMES:
        assert difference(tmp_path / name, IMAGES / name) < 40, name
    now, committed = frames(tmp_path / "film.webp"), frames(IMAGES / "film.webp")
    assert len(now) == len(committed) == 100 and (IMAGES / "film.webp").stat().st_size < 2_000_000
    for one, two in zip(now[::33], committed[::33], strict=True):
        assert np.abs(one - two).mean() < 2
    moved = diagrams.gan_structure()
    moved.axes[0].texts[2].set_y(0.3)  # one word: enough to be seen
    (tmp_path / "moved.png").write_bytes(figures.png(moved))
    assert difference(IMAGES / "GAN_structure.png", tmp_path / "moved.png") > 50


def test_committed_pictures_are_opaque_white_edged_and_small():
    """So they look the same on a dark page."""
    for path in (IMAGES / name for name in NAMES):
        image = Image.open(path)
        assert image.mode == "P" and "transparency" not in image.info  # P: at most 256 colours
        assert white_edged(path.read_bytes()) and path.stat().st_size < 200_000


def test_results_show_each_tenth_epoch_and_the_losses(make_record):
    run = make_record(25)
    (grid, _), (curves, alt) = diagrams.results(run).values()
    drawn = grid.axes[0].images[0].get_array()
    np.testing.assert_array_equal(drawn, figures.grid_pixels(run.images[[9, 19], :12], 12))
    assert {"epoch 10", "epoch 20"} < words(grid)
    lines = [line.get_ydata() for line in curves.axes[0].lines if len(line.get_xdata()) == 25]
    np.testing.assert_allclose(lines, np.stack([run.loss_D, run.loss_G]))
    assert f"{run.loss_D[-1]:.2f}" in alt


def test_the_film_shows_the_images_of_each_epoch(make_record):
    runs = make_record(12), make_record(12)
    runs[0].images[4, 7] = 255  # one white image in a frame of noise
    shown = frames(io.BytesIO(diagrams.film(*runs)))
    assert len(shown) == 12 and shown[0].shape == (404, 752)
    white = shown[4][100:156, 64:120]  # image 7: second row, second column, below 40 pixels of words
    assert white.mean() > 240 > 200 > max(shown[3][100:156, 64:120].mean(), shown[4][100:156, 124:180].mean())
    assert all(frame[:40].min() < 120 for frame in shown)  # the words


@pytest.mark.parametrize("n, columns, shown", [(1, None, 1), (7, 3, 3), (5, 9, 5)])
def test_grid_puts_image_i_at_its_row_and_column(n, columns, shown):
    images, expected = pictures(n), np.full((math.ceil(n / shown) * 30 + 2, shown * 30 + 2), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = 2 + i // shown * 30, 2 + i % shown * 30
        expected[top : top + 28, left : left + 28] = image
    drawn = figures.image_grid(to_float(torch.from_numpy(images)), columns).axes[0].images[0].get_array()
    np.testing.assert_array_equal(drawn, expected)
    enlarged = pixels(figures.grid_png(images, columns, scale=3))
    np.testing.assert_array_equal(enlarged, expected.repeat(3, 0).repeat(3, 1)[..., None].repeat(3, 2))


def test_wrong_images():
    for images, captions, message in (
        (np.zeros((2, 784)), None, "ít nhất một ảnh"),
        (255 * np.eye(28)[None], None, r"\[-1, 1\], hoặc uint8; đã nhận \(0.0, 255.0\)"),
        (np.full((1, 28, 28), np.nan), None, r"\[-1, 1\]"),
        (pictures(2), ["một"], "captions phải là dãy 2"),
    ):
        with pytest.raises(ValueError, match=message):
            figures.image_grid(images, captions=captions)


def bars():
    figure, axes = figures.panels("một", "hai", xlabel="x", ylabel="y", width=8, height=3)
    for ax in axes:
        ax.bar_label(ax.bar(["×½", "×1", "×2"], [1, 4, 9]), fmt="%.2f")
    return figure


def two_lines(log=False):
    lines = [("một", [1, 2, 3], [[1, 2, 4], [3, 4, 8]], "k", "-"), ("hai", [1, 3], [5, 500], "b", "o")]
    return figures.curves(lines, "bước", "y", [(2, "mức")], ylim=(0.9, 40), log=log)  # 500 lies outside


def grid(n, **options):
    return figures.image_grid(pictures(n), title="Ảnh giả của nhiễu cố định", **options)


won = [1.0, 0.3, 0.0], [2.0, 5.0, 40.0], [0.9, 1.0, 1.0], [0.1, 0.0, 0.0]  # by D
FIGURES = {
    "structure": diagrams.gan_structure,
    "captions": lambda: grid(36, captions=[f"{i / 36:.2f}" for i in range(36)]),
    "rows": lambda: grid(100, columns=10, rows=[f"epoch {i}" for i in range(10)]),
    "bars": bars,
    "curves": two_lines,
    "curves, log": lambda: two_lines(log=True),
    "equilibrium": lambda: figures.loss_curves([1.386] * 9, [0.693] * 9, [0.5] * 9, [0.5] * 9, 9),
    "D has won": lambda: figures.loss_curves(*won, 100, "A"),
    "first epoch": lambda: figures.loss_curves([1.1], [0.9], [0.6], [0.4], 100),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_cut_or_lies_on_another(name):
    figure = FIGURES[name]()
    for (one, a), (two, b) in itertools.combinations(texts(figure), 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        assert apart, f"{one!r} and {two!r} overlap"
    assert white_edged(figures.png(figure))


def test_everything_is_written_that_was_asked_for():
    captions, rows = list("abcd"), ["trên", "dưới"]
    assert words(grid(4, columns=2, captions=captions, rows=rows)) > {*captions, *rows}
    assert words(two_lines()) >= {"một", "hai", "mức", "bước", "y"}


def test_loss_curves_show_the_losses_their_levels_and_colours():
    values = [1.3, 1.2, 1.1], [0.8, 0.9, 1.0], [0.6, 0.59, 0.58], [0.4, 0.41, 0.42]
    figure = figures.loss_curves(*values, total=10)
    ends = {"loss_D = 1.10", "loss_G = 1.00", "D(x) = 0.58", "D(G(z)) = 0.42"}
    levels = {"2 log 2 ≈ 1.386": 2 * math.log(2), "log 2 ≈ 0.693": math.log(2), "1/2": 0.5}
    assert words(figure) >= ends | set(levels)
    lines = [line for ax in figure.axes for line in ax.lines]
    curves = [line for line in lines if list(line.get_xdata()) == [1, 2, 3]]
    assert [list(line.get_ydata()) for line in curves] == list(values)
    assert [line.get_linestyle() for line in curves] == ["-", "--", "-", "--"]
    flat = [line.get_ydata()[0] for line in lines if line.get_linestyle() == ":"]
    assert flat == pytest.approx(list(levels.values()))
    assert all(ax.get_xlim() == (1, 10) for ax in figure.axes)
    colours = {colour for _, colour in Image.open(io.BytesIO(figures.png(figure))).convert("RGB").getcolors()}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)} <= colours  # exactly
    with pytest.raises(ValueError, match="phải là dãy 1 số, không có NaN"):
        figures.loss_curves([1.0], [math.nan])


def test_several_runs_are_their_mean_in_a_band():
    ax = two_lines().axes[0]
    assert list(ax.lines[0].get_ydata()) == [2, 3, 6]
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (1, 8)


def test_a_live_picture_and_its_line_stand_there_once_with_alt_text(monkeypatch):
    handles = picture, line = Mock(), Mock()
    monkeypatch.setattr(figures, "display", display := Mock(side_effect=handles))
    alt = "Lưới 4 ảnh *giả* & thật, D(x) < 1/2, loss_D: $1"
    live, drawn = figures.Live(), figures.image_grid(pictures(4))
    live.show(figures.image_grid(pictures(1)), "ảnh cũ")
    live.show(drawn, alt, caption="100 epoch")
    assert ["image/png" in call.args[0] for call in display.call_args_list] == [True, False]
    (bundle,), options = picture.update.call_args
    assert base64.b64decode(bundle["image/png"]) == figures.png(drawn) and bundle["text/plain"] == alt
    width = round(pixels(figures.png(drawn)).shape[1] / 1.6)
    assert options == {"raw": True, "metadata": {"image/png": {"alt": alt, "width": width}}}
    ((below,), _) = line.update.call_args
    assert below["text/markdown"] == r"*Lưới 4 ảnh \*giả\* & thật, D(x) \< 1/2, loss\_D: \$1* 100 epoch"
