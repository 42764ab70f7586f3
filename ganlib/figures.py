"""Every picture of the series, drawn with matplotlib.figure.Figure: no pyplot, no global state.

Colour means the same thing everywhere: D blue and solid, G vermilion and dashed, real data green.
"""

import base64
import html
import io
import math
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import is_color_like
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ganlib import checks, files

D_COLOR, G_COLOR, REAL_COLOR, LINE_COLOR = "#0072B2", "#D55E00", "#009E73", "#FFF3B0"
INK, GREY = "#222222", "#707070"
DPI = 160  # pixels an inch in the file
WIDTH = 100  # pixels an inch on the screen: the file is sharper than that, for projectors
GAP = 2  # white pixels round every image of grid_pixels


def canvas(width, height):
    """A white Figure of so many inches, and bare axes over all of it whose units are those inches."""
    figure = Figure((width, height), dpi=WIDTH, facecolor="white")
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height), autoscale_on=False)
    ax.axis("off")
    return figure, ax


def text(ax, x, y, words, color=INK, size=14, **options):
    font = {"family": "DejaVu Sans", "math_fontfamily": "dejavusans", "ha": "center", "va": "center"}
    return ax.text(x, y, words, color=color, size=size, **font | options)


def picture(ax, image, left, top, side, edge="none", height=None):
    box = (left, left + side, top - (height or side), top)
    ax.imshow(image, cmap="gray", vmin=0, vmax=255, extent=box, aspect="auto", interpolation="nearest")
    ax.add_patch(FancyBboxPatch((left, box[2]), side, top - box[2], "square,pad=0", fc="none", ec=edge, lw=2))


def as_pixels(images):
    """Images (n, 1, 28, 28) or (n, 28, 28), float in [-1, 1] or uint8, as an (n, 28, 28) uint8 array."""
    if hasattr(images, "detach"):
        checks.tensor("Ảnh", images)
        images = images.detach().cpu()
    try:
        images = np.asarray(images)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"Cần các ảnh (tensor, mảng NumPy); đã nhận {checks.brief(images)}.") from error
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim != 3 or images.shape[1:] != (28, 28) or len(images) == 0:
        raise ValueError(
            f"Cần ít nhất một ảnh, dạng (n, 1, 28, 28) hoặc (n, 28, 28); đã nhận {images.shape}."
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise ValueError(f"Ảnh phải là uint8 hoặc số thực trong [-1, 1]; đã nhận kiểu {images.dtype}.")
    if not np.all(np.abs(images) <= 1 + 1e-3):  # NaN fails here too
        raise ValueError(
            f"Ảnh số thực phải nằm trong [-1, 1]; đã nhận từ {images.min():.3g} đến {images.max():.3g}."
            " Nếu ảnh đang ở [0, 1], hãy đổi bằng 2 * x - 1."
        )
    return np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


def check_color(color):
    checks.require(is_color_like(color), "color", "một màu mà matplotlib hiểu, ví dụ '#0072B2'", color)


def _columns(n, columns):
    if columns is None:
        return n if n <= 10 else math.ceil(math.sqrt(n))
    ok = checks.is_number(columns) and columns == int(columns) >= 1
    checks.require(ok, "Số cột", "số nguyên từ 1 trở lên", columns)
    return min(int(columns), n)


def grid_pixels(images, columns=None):
    """Image i at row i // columns, column i % columns, GAP white pixels round each: (H, W) uint8."""
    images = as_pixels(images)
    columns = _columns(len(images), columns)
    rows, step = math.ceil(len(images) / columns), 28 + GAP
    grid = np.full((rows * step + GAP, columns * step + GAP), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = GAP + i // columns * step, GAP + i % columns * step
        grid[top : top + 28, left : left + 28] = image
    return grid


def grid_png(images, columns=None, scale=2):
    """grid_pixels as PNG bytes, each pixel scale × scale: no matplotlib, so fast enough for live pictures."""
    checks.whole("scale", scale, 1, 100)
    grid = grid_pixels(images, columns).repeat(scale, 0).repeat(scale, 1)
    file = io.BytesIO()
    Image.fromarray(grid).save(file, "PNG", compress_level=1)
    return file.getvalue()


def image_grid(images, columns=None, title=None, captions=None, color=INK, rows=None):
    """A grid of images (n, 1, 28, 28) or (n, 28, 28), float in [-1, 1] or uint8; image i at row i // columns.

    captions: a short text under each image; rows: one at the left of each row. color: of title and captions
    (REAL_COLOR, G_COLOR, …).
    """
    images = as_pixels(images)
    columns = _columns(len(images), columns)
    if captions is not None:
        checks.texts("chú thích (captions, mỗi ảnh cần đúng một)", captions, len(images))
    if rows is not None:
        checks.texts("rows (mỗi hàng cần đúng một)", rows, math.ceil(len(images) / columns))
    checks.instance("title", title, str | None, "một chuỗi chữ")
    check_color(color)
    side = min(0.95, 9 / columns)  # one image and the gap beside it
    margin = 0.15 + 0.125 * max(map(len, rows)) if rows else 0  # room for the rows' names
    high, head = side + (0.24 if captions is not None else 0), (0.45 if title else 0.1)
    width = max(margin + columns * side + 0.14, 0.135 * len(title or "") + 0.2)  # room for the title
    height = math.ceil(len(images) / columns) * high + head + 0.04
    figure, ax = canvas(width, height)
    for i, image in enumerate(images):
        left = (width + margin - columns * side) / 2 + (i % columns + 0.03) * side
        top = height - head - i // columns * high
        picture(ax, image, left, top, 0.94 * side)
        if captions is not None:
            text(ax, left + 0.47 * side, top - side - 0.06, captions[i], color, 13)
    for i, words in enumerate(rows or []):
        right = (width + margin - columns * side) / 2 - 0.08
        text(ax, right, height - head - (i + 0.5) * high, words, ha="right")
    if title:
        text(ax, width / 2, height - 0.23, title, color, 15, weight="bold")
    return figure


def loss_curves(loss_D, loss_G, D_x=None, D_Gz=None, total=None, title=None):
    """Losses of epochs 1 … n against 2 log 2 (loss_D) and log 2 (loss_G); mean D(x), D(G(z)) against 1/2.

    Sequences of n ≥ 1 finite numbers. total: the axis reaches that epoch: a growing picture keeps still.
    """
    panels = [("loss", [("loss_D", loss_D, D_COLOR, "-"), ("loss_G", loss_G, G_COLOR, "--")])]
    if D_x is not None or D_Gz is not None:
        panels += [("D trung bình", [("D(x)", D_x, REAL_COLOR, "-"), ("D(G(z))", D_Gz, G_COLOR, "--")])]
    n = len(checks.numbers("loss_D", loss_D))
    checks.require(total is None or checks.is_number(total), "total", "một số epoch", total)
    for name, values, *_ in (line for _, lines in panels for line in lines):
        numbers = checks.numbers(name, [] if values is None else values)
        if n == 0 or len(numbers) != n:
            raise ValueError(f"{name}: cần số giá trị bằng số epoch của loss_D ({n}), và ít nhất là 1.")
        if not np.isfinite(numbers).all():
            raise ValueError(f"{name} có giá trị NaN hoặc vô hạn, không vẽ được: xem lại lần huấn luyện này.")
    height = 3.9 if len(panels) == 1 else 6.3
    figure, frame = canvas(9, height)
    if title:
        text(frame, 3.9, height - 0.25, title, size=15, weight="bold")
    boxes = [(0.095, 0.68 / height, 0.67, 2.75 / height)]
    if len(panels) == 2:
        boxes = [(0.095, 3.0 / height, 0.67, 2.8 / height), (0.095, 0.68 / height, 0.67, 2.05 / height)]
    for box, (ylabel, lines) in zip(boxes, panels, strict=True):
        top = max(2.0, *(float(max(line[1])) for line in lines)) * 1.05 if ylabel == "loss" else 1.0
        right = max(total or n, n, 2)
        ax = figure.add_axes(box, xlim=(1, right), ylim=(0, top))
        levels = [("2 log 2 ≈ 1.386", 2 * math.log(2)), ("log 2 ≈ 0.693", math.log(2))]
        labels = [(y, words, GREY) for words, y in (levels if ylabel == "loss" else [("1/2", 0.5)])]
        for y, *_ in labels:
            ax.axhline(y, color=GREY, lw=1.3, ls=":", zorder=1)
        for name, values, color, style in lines:
            y = float(values[-1])
            ax.plot(range(1, n + 1), values, color=color, ls=style, lw=2.4, clip_on=False)
            ax.plot([n, right], [y, y], color=color, lw=0.8, alpha=0.6)
            ax.plot(n, y, "o", color=color, ms=6, clip_on=False)
            labels.append((y, f"{name} = {y:.2f}", color))
        end_labels(ax, labels)
        text(frame, 0.22, (box[1] + box[3] / 2) * height, ylabel, size=15, rotation=90)
        ax.tick_params(labelbottom=box is boxes[-1], labelsize=13, labelfontfamily="DejaVu Sans", colors=INK)
        ax.spines[["top", "right"]].set_visible(False)
        ax.xaxis.get_major_locator().set_params(integer=True)
    text(frame, 3.9, 0.2, "epoch", size=15)
    return figure


def bars(panels, color=INK, digits=1, width=9.6, height=3.0):
    """Bar charts side by side, each with its own scale from 0: panels of (title, labels, values ≥ 0).

    Values stand above their bars with so many `digits` after the point.
    """
    for panel in panels if isinstance(panels, tuple | list) and len(panels) else [panels]:
        ok = isinstance(panel, tuple | list) and len(panel) == 3 and hasattr(panel[1], "__len__")
        checks.require(ok, "panels", "dãy gồm các bộ ba (tên, các nhãn, các số)", panel)
        values = checks.numbers(panel[0], panel[2])
        checks.require(len(values) and not np.isinf(values).any(), panel[0], "dãy số hữu hạn", panel[2])
    figure, frame = canvas(width, height)
    counts = [len(labels) for _, labels, _ in panels]
    one = (width - 0.2) / (sum(counts) + len(panels) - 1)  # a bar's share; one is free between two panels
    left = 0.1
    for title, labels, values in panels:
        if len(labels) != len(values) or not np.all(np.asarray(values, float) >= 0):
            raise ValueError(
                f"{title}: mỗi cột cần một giá trị không âm ({len(labels)} cột); đã nhận {values}."
            )
        wide = one * len(labels)
        box = (left / width, 0.42 / height, wide / width, (height - 1.15) / height)
        ax = figure.add_axes(box, xlim=(-0.5, len(labels) - 0.5), ylim=(0, max([*values, 1e-9])))
        ax.axis("off")
        ax.bar(range(len(labels)), values, 0.72, color=color)
        ax.axhline(0, color=GREY, lw=1.5)
        for i, (label, value) in enumerate(zip(labels, values, strict=True)):
            middle, top = left + (i + 0.5) * one, 0.42 + value / ax.get_ylim()[1] * (height - 1.15)
            text(frame, middle, top + 0.14, f"{value:.{digits}f}", size=12)
            text(frame, middle, 0.24, label, size=12)
        text(frame, left + wide / 2, height - 0.25, title, size=14, weight="bold")
        left += wide + one
    return figure


def end_labels(ax, labels):
    """Texts (value, words, color) in the right margin, as near to their values as they go apart."""
    low, high = ax.get_ylim()
    step = 0.27 / (ax.get_position().height * ax.figure.get_figheight())  # a label's height, as a share of ax
    labels = sorted(labels)
    groups = []  # labels that would touch move together, to the mean of what each wants
    for i, (value, *_) in enumerate(labels):
        groups.append([(value - low) / (high - low) - i * step])
        while len(groups) > 1 and np.mean(groups[-2]) > np.mean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    places = [min(max(0.0, np.mean(g)), 1.02 - (len(labels) - 1) * step) for g in groups for _ in g]
    for i, ((value, words, color), place) in enumerate(zip(labels, places, strict=True)):
        ends = [(value - low) / (high - low), place + i * step]
        ax.plot([1.008, 1.034], ends, color=color, lw=1, transform=ax.transAxes, clip_on=False)
        text(ax, 1.04, ends[1], words, color, ha="left", transform=ax.transAxes)


def png(figure, dpi=DPI, alt=None, small=True):
    """The figure as PNG bytes, opaque, no date in it; alt becomes its Description.

    small: at most 256 colours, compressed well; without it larger but twice as fast, for live pictures.
    """
    file, info = io.BytesIO(), PngInfo()
    figure.savefig(file, format="png", dpi=dpi, facecolor="white", pil_kwargs={"compress_level": 0})
    image = Image.open(file).convert("RGB")
    if small:
        image = image.quantize(256, dither=Image.Dither.NONE)
    if alt:
        info.add_itxt("Description", alt)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, optimize=small, pnginfo=info)
    return file.getvalue()


def save(figure, path, alt=None):
    """Write the figure as a PNG, atomically: a reader never sees half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, png(figure, alt=alt))


def show(figure, alt, width=None, caption=""):
    """Display a Figure (or PNG bytes) in a notebook, width pixels wide, a caption under it, with alt text.

    JupyterLab drops the alt text of a bare image/png, so the picture travels as an <img> in text/html.
    """
    from IPython.display import display

    display(_bundle(figure, alt, width, caption), raw=True)


class Live:
    """A place in a notebook for a picture that later ones replace: each `show` draws it anew."""

    def __init__(self):
        self.handle = None

    def show(self, figure, alt, width=None, caption=""):
        """As the function `show`, in this place."""
        from IPython.display import display

        bundle = _bundle(figure, alt, width, caption)
        if self.handle is None:
            self.handle = display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)


def _bundle(figure, alt, width, caption):
    checks.instance("figure", figure, Figure | bytes, "hình (Figure) hoặc PNG (bytes)")
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("Hãy viết alt: một câu tả hình cho người không nhìn thấy hình.")
    is_png = isinstance(figure, bytes)
    checks.require(not is_png or figure.startswith(b"\x89PNG"), "figure", "PNG", figure)
    data = figure if is_png else png(figure)
    width = width or (Image.open(io.BytesIO(data)).width if is_png else round(figure.get_figwidth() * WIDTH))
    source = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
    image = f'<img alt="{html.escape(alt)}" width="{width}" src="{source}">'
    below = f"<div>{html.escape(caption)}</div>" if caption else ""
    return {"text/html": image + below, "text/plain": f"{alt} {caption}".strip()}
