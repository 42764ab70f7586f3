"""ganlib.figures: where the pixels go, what the labels say; the committed pictures are what it draws."""

import base64
import io
import itertools
import math
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from ganlib import figures, writeup

IMAGES = Path(__file__).parents[1] / "images"
RESULTS = ["mnist_train.png", "mnist_loss.png", "fashion_epoch.png", "fashion_loss.png"]
NAMES = ["GAN_structure.png", *(f"eqn{n}.png" for n in range(1, 7)), *RESULTS]
RANDOM = np.random.RandomState(0)


def pictures(n):
    return RANDOM.randint(0, 255, (n, 28, 28)).astype(np.uint8)


def texts(figure):
    """Every text that is really drawn (a tick outside the axes is not) with its box; the canvas's size."""
    drawn, draw = [], Text.draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Text, "draw", lambda self, *args, **kw: (drawn.append(self), draw(self, *args, **kw))[1]
        )
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
    found = [text for text in drawn if text.get_visible() and text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in found]
    return boxes, (figure.bbox.width, figure.bbox.height)


def assert_readable(figure):
    """No text outside the canvas, no two texts on each other."""
    found, (width, height) = texts(figure)
    assert found
    for words, box in found:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, f"{words!r} is cut"
    for (one, a), (two, b) in itertools.combinations(found, 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        assert apart, f"{one!r} and {two!r} overlap"


# --- the committed pictures ---


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    writeup.draw_all(folder)
    return folder


def differences(one, two):
    """Mean difference of two pictures over all pixels, and the greatest over 20 × 20 blocks (of 255)."""
    one, two = (Image.open(path).convert("L") for path in (one, two))
    assert one.size == two.size
    apart = np.abs(np.asarray(one, float) - np.asarray(two, float))
    rows, columns = (side // 20 for side in apart.shape)
    blocks = apart[: rows * 20, : columns * 20].reshape(rows, 20, columns, 20).mean((1, 3))
    return apart.mean(), blocks.max()


@pytest.mark.skipif(
    matplotlib.__version_info__ < (3, 11, 2), reason="matplotlib cũ hơn đặt chữ khác đi vài điểm ảnh"
)
@pytest.mark.parametrize("name", NAMES)
def test_committed_picture_is_what_is_drawn(drawn, name):
    mean, block = differences(drawn / name, IMAGES / name)
    assert mean < 2
    assert block < 40  # a word that moved is little over the whole picture, but much where it was


def test_the_comparison_tells_pictures_apart(drawn, tmp_path):
    figure = writeup.gan_structure()
    next(text for text in figure.axes[0].texts if text.get_text() == "ảnh thật x").set_y(0.3)
    figures.save(figure, tmp_path / "moved.png")
    assert differences(drawn / "GAN_structure.png", tmp_path / "moved.png")[1] > 50
    with pytest.raises(AssertionError):
        differences(drawn / "eqn1.png", drawn / "eqn3.png")


def test_drawing_twice_gives_the_same_bytes(drawn, tmp_path):
    writeup.draw_all(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)  # no half-written file left
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (drawn / name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_committed_picture_is_opaque_white_edged_small_and_described(name):
    image = Image.open(IMAGES / name)
    assert image.info["Description"]
    assert "Creation Time" not in image.info
    assert image.mode == "P" and "transparency" not in image.info
    pixels = np.asarray(image.convert("RGB"))
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()  # a margin, so that nothing is cut
    limit = 200_000 if name in ("mnist_train.png", "fashion_epoch.png") else 60_000  # 120 images: more
    assert (IMAGES / name).stat().st_size < limit


def test_structure_names_every_part_without_overlap():
    figure = writeup.gan_structure()
    assert_readable(figure)
    words = " ".join(text for text, _ in texts(figure)[0])
    for part in (
        "Mạng sinh",
        "phân biệt",
        "ảnh giả",
        "ảnh thật",
        "huấn luyện",
        "vector nhiễu",
        "thật",
        "giả",
    ):
        assert part in words


def test_equations_3_and_4_differ_as_in_the_paper():
    three, four = (writeup.EQUATIONS[n][0] for n in (3, 4))
    assert r"\theta_d" in three and r"\log D" in three
    assert r"\theta_g" in four and r"\log D" not in four
    assert three.count(r"\left") == three.count(r"\right")


@pytest.mark.parametrize("n", [0, 7, "3", None])
def test_unknown_equation(n):
    with pytest.raises(ValueError, match="công thức"):
        writeup.equation(n)


# --- grids ---


def test_grid_puts_image_i_at_its_row_and_column():
    images, gap = pictures(7), figures.GAP
    grid = figures.grid_pixels(images, columns=3)
    assert grid.shape == (3 * (28 + gap) + gap, 3 * (28 + gap) + gap) and grid.dtype == np.uint8
    for i, image in enumerate(images):
        top, left = gap + i // 3 * (28 + gap), gap + i % 3 * (28 + gap)
        np.testing.assert_array_equal(grid[top : top + 28, left : left + 28], image)
    assert (grid[-28 - gap :, 28 + 2 * gap :] == 255).all()  # the two empty cells stay white
    assert (grid[:gap] == 255).all() and (grid[:, :gap] == 255).all()


@pytest.mark.parametrize("n, columns", [(1, 1), (8, 8), (10, 10), (36, 6), (100, 10), (11, 4)])
def test_default_columns(n, columns):
    assert figures.grid_pixels(pictures(n)).shape[1] == columns * (28 + figures.GAP) + figures.GAP


def test_floats_map_to_the_same_pixels_as_bytes():
    every = np.arange(256, dtype=np.uint8)
    images = np.resize(every, (1, 28, 28))
    floats = torch.from_numpy(images).float().div(255).sub(0.5).div(0.5)  # what the data pipeline does
    np.testing.assert_array_equal(figures.grid_pixels(floats), figures.grid_pixels(images))
    np.testing.assert_array_equal(figures.grid_pixels(floats[:, None]), figures.grid_pixels(images))
    ends = np.stack([np.full((28, 28), value) for value in (-1.0, 0.0, 1.0)])
    assert [figures.grid_pixels(ends)[9, 9 + 30 * i] for i in range(3)] == [0, 128, 255]


def test_grid_takes_what_a_network_gives():
    images = torch.zeros(4, 1, 28, 28, requires_grad=True).tanh()
    assert figures.grid_pixels(images).max() == 255  # the white gaps
    assert (figures.grid_pixels(images)[2:30, 2:30] == 128).all()


def test_grid_png_is_the_grid_enlarged():
    images = pictures(5)
    image = np.asarray(Image.open(io.BytesIO(figures.grid_png(images, columns=2, scale=3))))
    np.testing.assert_array_equal(image[1::3, 1::3], figures.grid_pixels(images, columns=2))


def test_drawn_grid_has_image_i_at_its_row_and_column():
    levels = np.arange(6) * 40
    images = np.stack([np.full((28, 28), level, np.uint8) for level in levels])
    figure = figures.image_grid(images, columns=3)
    pixels = np.asarray(Image.open(io.BytesIO(figures.png(figure))).convert("L")).astype(int)
    boxes = [picture.get_window_extent() for picture in figure.axes[0].images]
    scale = figures.DPI / figure.dpi
    for i, box in enumerate(boxes):
        x, y = (box.x0 + box.x1) / 2 * scale, pixels.shape[0] - (box.y0 + box.y1) / 2 * scale
        assert abs(pixels[int(y), int(x)] - levels[i]) <= 1
    xs, ys = [round(box.x0) for box in boxes], [round(box.y0) for box in boxes]
    assert xs[:3] == xs[3:] == sorted(set(xs)) and ys[0] == ys[2] > ys[3] == ys[5]


@pytest.mark.parametrize("n, columns", [(1, None), (8, None), (36, None), (100, 10), (2, 1)])
def test_grid_texts_are_readable(n, columns):
    captions = [f"{i / n:.2f}" for i in range(n)] if n < 50 else None
    title = "Ảnh giả của nhiễu cố định"
    figure = figures.image_grid(pictures(n), columns, title=title, captions=captions, color=figures.G_COLOR)
    assert_readable(figure)
    words = [text for text, _ in texts(figure)[0]]
    assert words.count(title) == 1 and len(words) == 1 + len(captions or [])


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((0, 28, 28), np.uint8),
        np.zeros((28, 28), np.uint8),
        torch.zeros(2, 3, 28, 28),
        np.zeros((2, 784)),
    ],
)
def test_wrong_shapes(images):
    for draw in (figures.grid_pixels, figures.grid_png, figures.image_grid):
        with pytest.raises(ValueError, match="ít nhất một ảnh"):
            draw(images)


def test_wrong_values():
    with pytest.raises(ValueError, match=r"trong \[-1, 1\]; đã nhận từ 0 đến 255"):
        figures.image_grid(np.linspace(0, 255, 784).reshape(1, 28, 28))
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        figures.image_grid(np.full((1, 28, 28), np.nan))
    with pytest.raises(ValueError, match="kiểu int64"):
        figures.image_grid(np.zeros((1, 28, 28), np.int64))
    with pytest.raises(ValueError, match="Số cột"):
        figures.image_grid(pictures(2), columns=0)
    with pytest.raises(ValueError, match="chú thích"):
        figures.image_grid(pictures(2), captions=["một"])


# --- bars ---


def test_bars_rise_with_their_values_and_carry_them():
    figure = figures.bars([("một", ["a", "b"], [1, 4]), ("hai", ["×½", "×1", "×2"], [0, 2.25, 9])])
    assert_readable(figure)
    heights = [[bar.get_height() for bar in ax.patches] for ax in figure.axes[1:]]
    assert heights == [[1, 4], [0, 2.25, 9]]
    words = [words for words, _ in texts(figure)[0]]
    assert {"một", "hai", "a", "×½", "1.0", "4.0", "0.0", "9.0"} <= set(words)


@pytest.mark.parametrize("values", [[1], [1, -1], [1, math.nan]])
def test_bars_need_a_value_each(values):
    with pytest.raises(ValueError, match="một: mỗi cột cần"):
        figures.bars([("một", ["a", "b"], values)])


# --- curves ---

CASES = {
    "settled": ([1.2] * 100, [0.99] * 100, [0.58] * 100, [0.42] * 100),
    "equilibrium": ([2 * math.log(2)] * 9, [math.log(2)] * 9, [0.5] * 9, [0.5] * 9),
    "D has won": ([1.0, 0.3, 0.0], [2.0, 5.0, 40.0], [0.9, 1.0, 1.0], [0.1, 0.0, 0.0]),
    "first epoch": ([1.1], [0.9], [0.6], [0.4]),
    "all at once": ([0.69] * 4, [0.7] * 4, [1.0] * 4, [1.0] * 4),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("panels", [1, 2])
@pytest.mark.parametrize("total", [None, 100])
def test_curve_labels_never_overlap(name, panels, total):
    figure = figures.loss_curves(*CASES[name][: 2 * panels], total=total, title="MNIST")
    assert_readable(figure)


def test_curves_show_the_losses_their_levels_and_colours():
    loss_D, loss_G, D_x, D_Gz = [1.3, 1.2, 1.1], [0.8, 0.9, 1.0], [0.6, 0.59, 0.58], [0.4, 0.41, 0.42]
    figure = figures.loss_curves(loss_D, loss_G, D_x, D_Gz, total=10)
    words = {text for text, _ in texts(figure)[0]}
    assert {"loss_D = 1.10", "loss_G = 1.00", "D(x) = 0.58", "D(G(z)) = 0.42"} <= words
    assert {"2 log 2 ≈ 1.386", "log 2 ≈ 0.693", "1/2", "epoch", "loss", "D trung bình"} <= words
    top, below = figure.axes[1:]
    for ax, curves, levels in (
        (top, (loss_D, loss_G), (2 * math.log(2), math.log(2))),
        (below, (D_x, D_Gz), (0.5,)),
    ):
        lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
        assert [list(line.get_ydata()) for line in lines] == [list(curve) for curve in curves]
        assert all(list(line.get_xdata()) == [1, 2, 3] for line in lines)
        assert [line.get_linestyle() for line in lines] == ["-", "--"]
        flat = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == ":"]
        assert flat == pytest.approx(levels)
        assert ax.get_xlim() == (1, 10)
    colours = [line.get_color() for line in top.lines if len(line.get_xdata()) == 3]
    assert colours == [figures.D_COLOR, figures.G_COLOR] == ["#0072B2", "#D55E00"]


def test_wrong_curves():
    for bad in (([], []), ([1.0], [1.0, 2.0]), ([1.0], [1.0], [0.5]), ([1.0], [1.0], [0.5], [])):
        with pytest.raises(ValueError, match="số epoch"):
            figures.loss_curves(*bad)
    with pytest.raises(ValueError, match="loss_G có giá trị NaN"):
        figures.loss_curves([1.0], [math.nan])


# --- to the screen ---


def test_live_png_shows_the_same_picture():
    figure = figures.loss_curves([1.3, 1.2], [0.8, 0.9])
    small, live = (
        np.asarray(Image.open(io.BytesIO(figures.png(figure, small=s))).convert("RGB"), float) for s in (1, 0)
    )
    assert np.abs(small - live).mean() < 0.5
    colours = {tuple(pixel) for pixel in live.reshape(-1, 3).astype(int)}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours  # D's and G's, exactly
    half = Image.open(io.BytesIO(figures.png(figure, dpi=80)))
    assert half.size == (720, 312)


@pytest.fixture
def shown(monkeypatch):
    """What show hands to the notebook: a list of (bundle, options)."""
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: calls.append((a[0], k)))
    return calls


@pytest.mark.parametrize("as_bytes", [False, True])
def test_show_carries_the_picture_its_width_and_its_alt_text(shown, as_bytes):
    alt = 'Lưới 4 ảnh "giả" & thật, D(x) < 1/2'
    picture = figures.grid_png(pictures(4)) if as_bytes else figures.image_grid(pictures(4))
    figures.show(picture, alt)
    ((bundle, options),) = shown
    assert options == {"raw": True} and bundle["text/plain"] == alt
    tag = re.fullmatch(
        r'<img alt="([^"]*)" width="(\d+)" src="data:image/png;base64,([^"]*)">', bundle["text/html"]
    )
    assert unescape(tag[1]) == alt
    image = Image.open(io.BytesIO(base64.b64decode(tag[3])))
    assert image.format == "PNG"
    assert int(tag[2]) == (
        image.width if as_bytes else pytest.approx(image.width * figures.WIDTH / figures.DPI, abs=1)
    )


def test_a_live_picture_is_replaced_in_its_place(monkeypatch):
    calls = []

    class Handle:
        def update(self, bundle, **options):
            calls.append(("update", bundle["text/html"]))

    def display(bundle, **options):
        calls.append(("display", bundle["text/html"]))
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    live = figures.Live()
    for epoch in (1, 2):
        live.show(figures.grid_png(pictures(4)), "ảnh", caption=f"epoch {epoch} < 3")
    assert [kind for kind, _ in calls] == ["display", "update"]
    assert "<div>epoch 2 &lt; 3</div>" in calls[1][1] and 'alt="ảnh"' in calls[1][1]


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_show_insists_on_alt_text(shown, alt):
    with pytest.raises(ValueError, match="alt"):
        figures.show(b"", alt)
    assert not shown


def test_figures_leave_pyplot_alone():
    code = (
        "import sys; from matplotlib import rcParams\n"
        "settings = lambda: {key: rcParams[key] for key in rcParams if key != 'backend'}\n"
        "before = settings()\n"
        "from ganlib import figures, writeup\n"
        "figures.png(figures.loss_curves([1.0], [1.0])); figures.png(writeup.equation(3))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert settings() == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
