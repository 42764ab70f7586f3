"""Every picture of the series, drawn with matplotlib.figure.Figure: no pyplot, no global state.

Colour means the same thing everywhere: D blue and solid, G vermilion and dashed, real data green.
"""

import base64
import html
import io
import math
import re

import numpy as np
import torch
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from PIL import Image
from torch.nn.functional import pad
from torchvision.utils import make_grid

from ganlib import check
from ganlib.data import to_pixels

D_COLOR, G_COLOR, REAL_COLOR, LINE_COLOR = "#0072B2", "#D55E00", "#009E73", "#FFF3B0"
INK, GREY, GRID = "#222222", "#707070", "#E4E4E4"
DPI = 160  # pixels an inch in the file
WIDTH = 100  # pixels an inch on the screen: the file is sharper than that, for projectors
POINTS = 11  # of a curve that are told in words
GAP = 2  # white pixels round every image of a grid


def as_pixels(images):
    """Images (…, 28, 28), float in [-1, 1] or uint8, tensor or array: a uint8 tensor (n, 28, 28)."""
    images = torch.as_tensor(images).detach().cpu()
    ok = images.shape[-2:] == (28, 28) and len(images)
    check.require(ok, "Ảnh", "ít nhất một ảnh, hình dạng (n, 1, 28, 28) hoặc (n, 28, 28)", images)
    images = images.reshape(-1, 28, 28)
    if images.dtype == torch.uint8:
        return images
    low, high = images.min().item(), images.max().item()
    ok = images.is_floating_point() and -1.001 <= low and high <= 1.001  # NaN fails here too
    check.require(ok, "Điểm ảnh", "số thực trong [-1, 1], hoặc uint8", (low, high))
    return to_pixels(images)


def columns_of(n, columns):
    """How many columns n images stand in; by default one row up to 10, then a square."""
    return min(columns or (n if n <= 10 else math.ceil(math.sqrt(n))), n)


def grid_pixels(images, columns=None, below=0):
    """numpy (H, W) uint8: image i at row i // columns, GAP white pixels round it, `below` more under it."""
    cells = pad(as_pixels(images), (GAP, 0, GAP, below), value=255)
    grid = make_grid(cells[:, None], columns_of(len(cells), columns), padding=0, pad_value=255)
    return pad(grid[0], (0, GAP, 0, GAP), value=255).numpy()


def grid_png(images, columns=None, scale=2):
    """grid_pixels as PNG bytes, each pixel scale × scale: no matplotlib, so fast enough for live pictures."""
    return encode(Image.fromarray(grid_pixels(images, columns).repeat(scale, 0).repeat(scale, 1)))


def image_grid(images, columns=None, title=None, captions=None, color=INK, rows=None):
    """A grid of images (n, 1, 28, 28) or (n, 28, 28), float in [-1, 1] or uint8; image i at row i // columns.

    captions: a short text under each image; rows: one at the left of each row; color: of title and captions.
    """
    images = as_pixels(images)
    columns = columns_of(len(images), columns)
    rows, captions = list(rows or []), list(captions or [])
    n_rows = math.ceil(len(images) / columns)
    check.require(len(captions) in (0, len(images)), "captions", f"dãy {len(images)} chuỗi ký tự", captions)
    check.require(len(rows) in (0, n_rows), "rows", f"dãy {n_rows} chuỗi ký tự", rows)
    inch = min(0.95, 9 / columns) / (28 + GAP)  # of one pixel
    below = round(0.24 / inch) if captions else 0
    pixels = grid_pixels(images, columns, below)
    figure = Figure((pixels.shape[1] * inch, pixels.shape[0] * inch))
    ax = figure.add_axes((0, 0, 1, 1), xticks=[], yticks=[])  # for what stands outside, `png` makes room
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.spines[:].set_visible(False)
    high, middle = 28 + GAP + below, GAP + 13.5  # of a row; of its first image
    for i, words in enumerate(captions):
        x, y = i % columns * (28 + GAP) + middle, i // columns * high + 28 + GAP + below / 2
        ax.text(x, y, words, color=color, size=13, ha="center", va="center")
    ax.set_yticks([middle + i * high for i in range(len(rows))], rows, size=14, color=INK)
    ax.tick_params(length=0)
    ax.set_title(title or "", color=color, size=15, weight="bold")
    return figure


def tidy(ax):
    """No frame at the top and at the right; faint gridlines; letters that can be read from the last row."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color=GRID, lw=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=12, colors=INK)
    for words in (ax.xaxis.label, ax.yaxis.label, ax.title):
        words.set(size=14, color=INK)


def panels(*titles, xlabel="", ylabel="", width=9.6, height=3.5):
    """(figure, [axes, …]): empty axes side by side, one for each title, to plot in; inches."""
    figure = Figure((width, height), layout="constrained")
    axes = list(figure.subplots(1, len(titles), squeeze=False)[0])
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, weight="bold")
        ax.set_xlabel(xlabel)
        tidy(ax)
    axes[0].set_ylabel(ylabel)
    return figure, axes


def draw_lines(ax, lines, levels, ylim, epochs=None):
    """Lines and levels as in `curves`, named at the right; epochs: where that is, and tell last values."""
    right = epochs or max(x[-1] for _, x, *_ in lines)
    ends = [(y, right, "", name, GREY) for y, name in levels]
    for name, x, y, color, style in lines:
        runs = np.atleast_2d(np.asarray(y, float))
        ok = runs.shape[1] == len(x) and np.isfinite(runs).all()
        check.require(ok, name, f"dãy {len(x)} số, không có NaN hay vô hạn", y)
        ax.plot(x, runs.mean(0), style, color=color, lw=2.3, ms=6, label=name)
        ax.fill_between(x, runs.min(0), runs.max(0), color=color, alpha=0.18, lw=0)
        last = runs[:, -1].mean()
        ends.append((last, x[-1], "o", f"{name} = {last:.2f}" if epochs else name, color))
    ax.set(xlim=(min(x[0] for _, x, *_ in lines), right), ylim=ylim)
    for y, _ in levels:
        ax.axhline(y, color=GREY, lw=1.3, ls=":", zorder=1)
    step, free = 0.34 * ax.get_subplotspec().get_gridspec().nrows / ax.figure.get_figheight(), 0.0
    for y, x, dot, words, color in sorted(ends):
        y = np.clip(y, *ax.get_ylim())
        share = (ax.transScale + ax.transLimits).transform((right, y))[1]  # of the height
        place = max(free, share)  # names that would touch move up
        free = place + step
        ax.plot([x, right], [y, y], marker=dot, markevery=[0], color=color, lw=0.8, ms=6, clip_on=False)
        ax.plot([1.01, 1.035], [share, place], color=color, lw=1, transform=ax.transAxes, clip_on=False)
        ax.text(1.04, place, words, color=color, size=14, va="center", transform=ax.transAxes)


def curves(lines, xlabel, ylabel, levels=(), ylim=None, height=3.6, log=False):
    """Curves, their names at their right ends.

    lines: (name, x, y, color, format as matplotlib's plot takes it); y of several runs, (runs, len(x)): their
    mean, in a band from the lowest to the highest. levels: (y, name), dotted.
    """
    figure, (ax,) = panels("", xlabel=xlabel, ylabel=ylabel, width=9, height=height)
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
    draw_lines(ax, lines, levels, ylim)
    return figure


def loss_curves(loss_D, loss_G, D_x=None, D_Gz=None, total=None, title=None):
    """Losses of epochs 1 … n against 2 log 2 (loss_D) and log 2 (loss_G); mean D(x), D(G(z)) against 1/2.

    total: the axis reaches that epoch: a growing picture keeps still.
    """
    epochs, end = range(1, len(loss_D) + 1), max(total or 0, len(loss_D), 2)
    losses = ("loss_D", epochs, loss_D, D_COLOR, "-"), ("loss_G", epochs, loss_G, G_COLOR, "--")
    levels = (2 * math.log(2), "2 log 2 ≈ 1.386"), (math.log(2), "log 2 ≈ 0.693")
    shown = [("loss", losses, levels, (0, 1.05 * float(max([2, *loss_D, *loss_G]))))]
    if D_x is not None:
        answers = ("D(x)", epochs, D_x, REAL_COLOR, "-"), ("D(G(z))", epochs, D_Gz, G_COLOR, "--")
        shown.append(("câu trả lời của D", answers, [(0.5, "1/2")], (0, 1.03)))
    figure = Figure((9, 0.9 + 2.8 * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), sharex=True, squeeze=False)[:, 0]
    for ax, (ylabel, *what) in zip(axes, shown, strict=True):
        draw_lines(ax, *what, end)
        ax.set_ylabel(ylabel)
        tidy(ax)
    axes[0].set_title(title or "", size=15, weight="bold")
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    return figure


def encode(image, level=1):
    """A PIL image as PNG bytes; level: 1 is quick, 9 is small."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=level)
    return file.getvalue()


def screen_png(figure):
    """The figure as PNG bytes: quickly, for a live panel."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return encode(Image.fromarray(np.asarray(canvas.buffer_rgba())))


def png(figure):
    """The figure as PNG bytes: sharp and small, cut to what is drawn, at most 256 colours."""
    file = io.BytesIO()
    figure.savefig(file, dpi=DPI, bbox_inches="tight", pad_inches=0.07, facecolor="white")
    return encode(Image.open(file).convert("RGB").quantize(256, dither=Image.Dither.NONE), 9)


def show(figure, alt, caption=""):
    """Display a Figure in a notebook; under it alt text, caption, and, folded, the numbers of its curves."""
    Live().show(figure, alt, caption)


class Live:
    """A place in a notebook for a picture that later ones replace: each `show` draws it anew.

    JupyterLab drops the alt text of a picture, so that it is also the line under it.
    """

    def __init__(self):
        self.handles = []  # of the picture, and of the line under it

    def show(self, figure, alt, caption=""):
        """As the function `show`, in this place."""
        data = png(figure)
        about = {"alt": alt, "width": round(Image.open(io.BytesIO(data)).width * WIDTH / DPI)}
        outputs = [
            {"image/png": base64.b64encode(data).decode(), "text/plain": alt},
            {"text/markdown": f"*{escape(alt)}* {escape(caption)}".strip() + numbers(figure)},
        ]
        options = {"metadata": {"image/png": about}, "raw": True}
        if self.handles:
            for handle, output in zip(self.handles, outputs, strict=True):
                handle.update(output, **options)
        else:
            self.handles = [display(output, display_id=True, **options) for output in outputs]


def numbers(figure):
    """The curves of a figure as folded lines of HTML, at most eleven points of each; "" where it has none."""
    found = []
    for ax in figure.axes:
        for curve in ax.lines:
            x, y = curve.get_data()
            if not curve.get_label().startswith("_") and (np.diff(x) > 0).all():
                some = np.linspace(0, len(x) - 1, min(len(x), POINTS)).round().astype(int)
                pairs = ", ".join(f"({x[i]:.4g}; {y[i]:.3g})" for i in some)
                title = ax.get_title() if len(figure.axes) > 1 else ""
                found.append(html.escape(f"{title} {curve.get_label()}: {pairs}".strip()))
    inside = "<br>".join(found)
    return f"\n\n<details><summary>Số liệu</summary>{inside}</details>" if found else ""


def escape(words):
    """words so that Markdown and MathJax show them as they are."""
    return re.sub(r"([\\`*_{}\[\]<>$|~#])", r"\\\1", words)
