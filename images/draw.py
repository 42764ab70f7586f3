"""Draw every picture of README anew, from the recorded runs, and the sheet for the class (sheet.py).

python images/draw.py        # all; or some by name: python images/draw.py mnist_loss film sheet

stepper takes a Chromium and playwright: where either is missing, ask for the others by name.
"""

import io
import shutil
import sys
from functools import cache, partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image, ImageDraw, ImageFont
from sheet import sheet

from ganlib import record
from ganlib.data import ASSETS, TITLES
from ganlib.figures import (
    D_COLOR,
    G_COLOR,
    INK,
    REAL_COLOR,
    encode,
    grid_pixels,
    image_grid,
    loss_curves,
    png,
)

GRADIENT = r"\nabla_{\theta_%s}\;\dfrac{1}{m}\;\sum_{i=1}^{m}\,"
LOG_FAKE = r"\log\left(1 - D\left(G\left(z^{(i)}\right)\right)\right)"
LOG_BOTH = r"\left[\log D\left(x^{(i)}\right) + " + LOG_FAKE + r"\right]"
EQUATIONS = {  # of Algorithm 1 of arXiv 1406.2661
    1: r"\{z^{(1)}, \ldots, z^{(m)}\}",
    2: r"\{x^{(1)}, \ldots, x^{(m)}\}",
    3: GRADIENT % "d" + LOG_BOTH,
    4: GRADIENT % "g" + LOG_FAKE,
    5: r"\theta_d",
    6: r"\theta_g",
}


def canvas(width, height):
    """A Figure of so many inches, and bare axes over all of it whose units are those inches."""
    figure = Figure((width, height))
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height), autoscale_on=False)
    ax.axis("off")
    return figure, ax


def text(ax, x, y, words, color=INK, size=14, **options):
    return ax.text(x, y, words, color=color, size=size, **{"ha": "center", "va": "center"} | options)


def picture(ax, image, left, top, side, edge="none", height=None):
    box = (left, left + side, top - (height or side), top)
    ax.imshow(image, cmap="gray", vmin=0, vmax=255, extent=box, aspect="auto", interpolation="nearest")
    ax.add_patch(Rectangle((left, box[2]), side, top - box[2], fc="none", ec=edge, lw=2))


def equation(n):
    """eqn1 … eqn6 as a Figure: `png` cuts it to the formula."""
    figure = Figure((8, 2))
    figure.text(0.5, 0.5, f"${EQUATIONS[n]}$", size=18, color=INK, math_fontfamily="stix")
    return figure


def handwriting(fake):
    """Three 28 × 28 "handwritten" digits drawn by a round pen; the fakes wobble and are covered in noise."""
    t, random = np.linspace(0, 2 * np.pi, 60), np.random.RandomState(0)
    three = [(9, 7), (13, 5), (18, 6), (19, 10), (13, 13), (19, 16), (19, 21), (14, 24), (8, 22)]
    for points in [(7, 7), (21, 7), (12, 23)], np.c_[14 + 6 * np.cos(t), 14 + 8.5 * np.sin(t)], three:
        pen = np.concatenate([np.linspace(a, b, 30) for a, b in zip(points[:-1], points[1:], strict=True)])
        pen = pen + fake * 1.6 * np.c_[np.sin(pen[:, 1] / 2), np.cos(pen[:, 0] / 2)]
        distance = np.hypot(*(np.mgrid[:28, :28][::-1, ..., None] - pen.T[:, None, None])).min(-1)
        ink = np.clip((2.1 + fake - distance) / (1 + fake), 0, 1) + fake * 0.7 * (random.rand(28, 28) - 0.4)
        yield np.rint(255 * np.clip(ink, 0, 1)).astype(np.uint8)


def gan_structure():
    """The structure of a GAN, with gradients on their way back."""
    figure, ax = canvas(10, 5)

    def box(x, y, w, h, words, color):
        shape = "round,pad=0,rounding_size=0.12"
        ax.add_patch(FancyBboxPatch((x - w / 2, y - h / 2), w, h, shape, fc=color, ec="none"))
        text(ax, x, y, words, "white", 15, weight="bold", linespacing=1.35)

    def arrow(*points, color=INK, style="-"):  # the head stands 0.1 beyond the last point
        ax.plot(*zip(*points, strict=True), color=color, lw=2, ls=style)
        before, tip = map(np.array, points[-2:])
        ahead = 0.1 * (tip - before) / np.linalg.norm(tip - before)
        head = dict(arrowstyle="-|>", mutation_scale=19, color=color, lw=0, shrinkA=0, shrinkB=0)
        ax.annotate("", tip + ahead, tip - ahead, arrowprops=head)

    for y, color in (3.45, G_COLOR), (1.0, REAL_COLOR):
        for i, image in enumerate(handwriting(color == G_COLOR)):
            picture(ax, image, 4.02 + 0.7 * i, y + 0.32, 0.64, color)
    picture(ax, np.random.RandomState(1).randint(0, 256, (10, 4)), 0.7, 3.95, 0.4, height=1.0)
    text(ax, 0.9, 2.5, "$z \\sim \\mathcal{N}(0, I)$\nvector nhiễu", linespacing=1.35)
    text(ax, 5.04, 2.86, "ảnh giả G(z)", G_COLOR)
    text(ax, 5.04, 0.42, "ảnh thật x", REAL_COLOR)
    box(2.65, 3.45, 1.5, 1.1, "Mạng sinh\nG", G_COLOR)
    box(1.05, 1.0, 1.6, 1.0, "Tập\nhuấn luyện", REAL_COLOR)
    box(7.25, 2.22, 1.55, 1.3, "Mạng\nphân biệt\nD", D_COLOR)
    text(ax, 9.12, 2.22, "gần 1: thật\n$D(\\cdot) \\in (0, 1)$\ngần 0: giả", linespacing=1.4)
    for start, end in ((1.25, 3.45), (1.8, 3.45)), ((3.45, 3.45), (3.88, 3.45)), ((1.9, 1.0), (3.88, 1.0)):
        arrow(start, end)
    for start, end in ((6.15, 3.3), (6.4, 2.7)), ((6.15, 1.15), (6.4, 1.75)), ((8.07, 2.22), (8.3, 2.22)):
        arrow(start, end)
    back = {"color": G_COLOR, "style": (0, (4, 2))}  # G's gradient comes to it through D
    arrow((9.12, 2.82), (9.12, 3.3), (7.7, 3.3), (7.7, 2.99), **back)
    arrow((6.8, 2.87), (6.8, 4.42), (2.65, 4.42), (2.65, 4.12), **back)
    text(ax, 4.7, 4.7, r"gradient theo $\theta_g$: G học đánh lừa D", G_COLOR)
    arrow((9.12, 1.62), (9.12, 0.82), (7.25, 0.82), (7.25, 1.45), color=D_COLOR, style=(0, (4, 2)))
    text(ax, 8.0, 0.5, r"gradient theo $\theta_d$: D học phân biệt", D_COLOR)
    return figure


@cache
def run(name):
    """The recorded run that is shipped."""
    return record.load(ASSETS / f"{name}.pt.xz")


def samples(name):
    """What the same twelve z give, every ten epochs."""
    title = f"{TITLES[name]}: mười hai vector nhiễu không đổi, cứ 10 epoch vẽ một lần"
    rows = [f"epoch {epoch}" for epoch in range(10, run(name).epochs + 1, 10)]
    return image_grid(run(name).images[9::10, :12].flatten(0, 1), 12, title, color=G_COLOR, rows=rows)


def losses(name):
    title = f"{TITLES[name]}: loss của hai mạng qua {run(name).epochs} epoch"
    return loss_curves(run(name).loss_D, run(name).loss_G, title=title)


def film(*runs):
    """The runs side by side: what the fixed noise gives, as an animated WebP (bytes).

    First every frame of the first three epochs (50 iterations apart, where digits come up), slowly; then an epoch
    a frame; it rests on the last.
    """
    font, pictures, paces = ImageFont.truetype(findfont("DejaVu Sans"), 22), [], []
    shown = [(f"vòng lặp {i}", 350, "film", k) for k, i in enumerate(runs[0].film["iteration"].tolist())]
    after = range(min(record.FILMED, runs[0].epochs - 1), runs[0].epochs)
    shown += [(f"epoch {i + 1}", 300 if i < 10 else 120, "images", i) for i in after]
    for words, pace, of, i in shown:
        stills = [(run.film["images"] if of == "film" else run.images)[i] for run in runs]
        grids = [grid_pixels(images, 6).repeat(2, 0).repeat(2, 1) for images in stills]
        high, wide = grids[0].shape
        frame = Image.new("RGB", (len(runs) * (wide + 24) - 24, high + 40), "white")
        for j, (run, grid) in enumerate(zip(runs, grids, strict=True)):
            frame.paste(Image.fromarray(grid), (j * (wide + 24), 40))
            words_here = f"{TITLES[run.data]}, {words}"
            ImageDraw.Draw(frame).text((j * (wide + 24) + 4, 20), words_here, INK, font, anchor="lm")
        pictures.append(frame)
        paces.append(pace)
    file = io.BytesIO()
    small = {"quality": 30, "method": 4, "duration": [*paces[:-1], 3000], "loop": 0}
    pictures[0].save(file, "WEBP", save_all=True, append_images=pictures[1:], **small)
    return file.getvalue()


def stepper():
    """The panel of notebook 03 as a browser shows it, at the line where D has just moved: PNG bytes."""
    from playwright.sync_api import sync_playwright  # here alone: no other picture needs a browser

    from ganlib.widgets import page
    from ganlib.widgets.stepper import WHAT_IFS, Panel

    panel = Panel()
    machine = panel.machine
    while not machine.stop.line or ".step(" not in machine.sources[machine.stop.name].text(machine.stop.line):
        panel.move("step")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1120, "height": 800}, device_scale_factor=1.6)
        shown.set_content(
            f'<meta charset="utf-8"><body style="margin: 0">{page.STYLE}{page.sheet(machine, WHAT_IFS[0])}'
        )
        picture = shown.locator(".gs-box").screenshot()
        browser.close()
    return encode(Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE), 9)


PICTURES = {
    "GAN_structure.png": gan_structure,
    **{f"eqn{n}.png": partial(equation, n) for n in EQUATIONS},
    "mnist_train.png": partial(samples, "mnist"),
    "fashion_epoch.png": partial(samples, "fashion"),
    "mnist_loss.png": partial(losses, "mnist"),
    "fashion_loss.png": partial(losses, "fashion"),
    "film.webp": lambda: film(run("mnist"), run("fashion")),
    "stepper.png": stepper,
    "sheet.pdf": partial(sheet, "pdf"),
    "sheet.png": partial(sheet, "png"),
}


def draw(folder, *names):
    """Write these pictures (without names: all) into the folder; on one machine the same bytes each time."""
    for file, make in PICTURES.items():
        if not names or Path(file).stem in names:
            picture = make()
            (folder / file).write_bytes(picture if isinstance(picture, bytes) else png(picture))
            print(file, flush=True)


if __name__ == "__main__":
    known = {Path(file).stem for file in PICTURES}
    if not known.issuperset(sys.argv[1:]):
        sys.exit(f"Các hình vẽ được: {', '.join(sorted(known))}.")
    draw(Path(__file__).parent, *sys.argv[1:])
