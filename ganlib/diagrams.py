"""The write-up's own pictures, in images/: structure, equations, results, and the film of the runs."""

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image, ImageDraw, ImageFont

from ganlib import files
from ganlib.data import ASSETS, TITLES
from ganlib.figures import D_COLOR, G_COLOR, INK, REAL_COLOR, grid_pixels, image_grid, loss_curves, png

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
GAN_STRUCTURE = (
    "Cấu trúc của GAN: vector nhiễu z qua mạng sinh G thành ảnh giả G(z); ảnh giả và ảnh thật x lấy từ tập"
    " huấn luyện cùng vào mạng phân biệt D; D trả lời bằng một số trong (0, 1): gần 1 là thật, gần 0 là giả."
    " Hai đường nét đứt đi ngược lại là gradient: một về D, một xuyên qua D về G."
)


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


def results(run):
    """{"train": …, "loss": …}: (figure, alt) of a run's samples each ten epochs, and of its losses."""
    name, epochs = TITLES[run.data], run.epochs
    title = f"{name}: mười hai vector nhiễu không đổi, cứ 10 epoch vẽ một lần"
    rows = [f"epoch {epoch}" for epoch in range(10, epochs + 1, 10)]
    grid = image_grid(run.images[9::10, :12].flatten(0, 1), 12, title, color=G_COLOR, rows=rows)
    curves = loss_curves(run.loss_D, run.loss_G, title=f"{name}: loss của hai mạng qua {epochs} epoch")
    drawn = f"Ảnh của G khi học {name}: cứ 10 epoch một hàng, mỗi cột một z; "
    drawn += "hàng đầu đã ra hình, về sau có cột đổi hình, có cột xấu đi."
    last = f"loss_D là {run.loss_D[-1]:.2f}, loss_G là {run.loss_G[-1]:.2f}: không đường nào về 0."
    losses = f"Đường cong loss_D và loss_G qua {epochs} epoch trên {name}, cạnh hai mốc; cuối cùng {last}"
    return {"train": (grid, drawn), "loss": (curves, losses)}


def film(*runs):
    """The runs side by side, an epoch a frame: what the fixed noise gives, as an animated WebP (bytes).

    It begins slowly, as most happens in the first ten epochs, and rests on the last.
    """
    font, epochs, frames = ImageFont.truetype(findfont("DejaVu Sans"), 22), runs[0].epochs, []
    for epoch in range(1, epochs + 1):
        grids = [grid_pixels(run.images[epoch - 1], 6).repeat(2, 0).repeat(2, 1) for run in runs]
        high, wide = grids[0].shape
        frame = Image.new("RGB", (len(runs) * (wide + 24) - 24, high + 40), "white")
        for i, (run, grid) in enumerate(zip(runs, grids, strict=True)):
            frame.paste(Image.fromarray(grid), (i * (wide + 24), 40))
            words = f"{TITLES[run.data]}, epoch {epoch}"
            ImageDraw.Draw(frame).text((i * (wide + 24) + 4, 20), words, INK, font, anchor="lm")
        frames.append(frame)
    file, pace = io.BytesIO(), [400 if epoch <= 10 else 120 for epoch in range(1, epochs)] + [3000]
    small = {"quality": 30, "method": 4}
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=pace, loop=0, **small)
    return file.getvalue()


def draw_all(folder):
    """Write every picture of the write-up under its name; on one machine the same bytes each time."""
    from ganlib.record import load  # here alone: the other drawings need no run

    pictures = {"GAN_structure": gan_structure()} | {f"eqn{n}": equation(n) for n in EQUATIONS}
    runs = [load(ASSETS / f"{data}.safetensors") for data in ("mnist", "fashion")]
    for run, train in zip(runs, ("mnist_train", "fashion_epoch"), strict=True):
        drawn = results(run)
        pictures |= {train: drawn["train"][0], f"{run.data}_loss": drawn["loss"][0]}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in pictures.items():
        files.write(folder / f"{name}.png", png(figure))
    files.write(folder / "film.webp", film(*runs))
