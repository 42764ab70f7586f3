"""The pictures of the small worlds: densities and D on the line, the map of D on the plane, curves.

Colours as everywhere: D blue and solid, G vermilion and dashed (its points crosses), real data green (dots).
"""

import io
import math

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

from ganlib.figures import D_COLOR, G_COLOR, GREY, INK, REAL_COLOR, canvas, end_labels, text
from ganlib.toy import density_of_G, edges

EDGE = 3.0  # the plane is shown from −EDGE to EDGE
FINE = 48  # D is asked at FINE × FINE places
LONGEST = 0.6  # of a stroke that shows where D sends a point


def _pale(color, share=0.5):
    return tuple(1 - share + share * np.array(to_rgb(color)))


ANSWERS = LinearSegmentedColormap.from_list("D", [_pale(G_COLOR), "white", _pale(REAL_COLOR)])  # 0, 1/2, 1


@torch.no_grad()
def answers(D, x):
    """D(x) = sigmoid of the logits: numpy (n,), for points x (n, d)."""
    return torch.sigmoid(D(x)).flatten().numpy()


# --------------------------------------------------------------------------------------------- the line


def line_panels(panels, data, low=-3.0, high=4.0):
    """Figure 1 of the paper: for each (title, G, D) the densities, D, and arrows from z to G(z).

    data: a 1-D Mixture. G or D None: left out.
    """
    wide, tall, plot = 2.72, 3.7, 2.57
    figure, frame = canvas(wide * len(panels) + 0.1, tall)
    x, middle = edges(low, high)
    for i, (title, G, D) in enumerate(panels):
        left = 0.1 + i * wide
        box = left / figure.get_figwidth(), 1.15 / tall, plot / figure.get_figwidth(), 2.05 / tall
        ax = figure.add_axes(box, xlim=(low, high), ylim=(0, 1.15), xticks=[], yticks=[])
        ax.axhline(0.5, color=GREY, lw=1, ls=":")
        ax.fill_between(middle[:, 0], data.density(middle), color=_pale(REAL_COLOR, 0.25))
        ax.plot(middle, data.density(middle), color=REAL_COLOR, lw=2)
        if G is not None:
            ax.plot(middle, density_of_G(G, x), color=G_COLOR, lw=2.2, ls="--")
            _arrows(frame, G, left, plot, low, high)
        if D is not None:
            ax.plot(middle, answers(D, middle), color=D_COLOR, lw=2.6)
        ax.spines[["top", "right", "left"]].set_visible(False)
        text(frame, left + plot / 2, tall - 0.2, title, size=14, weight="bold")
    return figure


def _arrows(frame, G, left, width, low, high):
    """Two axes under a panel, x above and z below, and arrows from evenly likely z to G(z)."""
    z = torch.distributions.Normal(0.0, 1.0).icdf(torch.linspace(0.02, 0.98, 15))[:, None]
    with torch.no_grad():
        ends = G(z)
    for y, name in ((1.05, "x"), (0.3, "z")):
        frame.plot([left, left + width], [y, y], color=INK, lw=1.3)
        text(frame, left + 0.06, y - 0.15, name, size=13)
    style = {
        "arrowstyle": "-|>",
        "color": G_COLOR,
        "lw": 1.1,
        "shrinkA": 0,
        "shrinkB": 0,
        "mutation_scale": 8,
    }
    for start, end in torch.cat([z, ends], 1).clamp(low, high).sub(low).div(high - low).tolist():
        frame.annotate("", (left + end * width, 1.03), (left + start * width, 0.3), arrowprops=style)


# -------------------------------------------------------------------------------------------- the plane


class Square:
    """A square of the plane; `draw` replaces what is in it: the map of D, the points of G, their pushes."""

    def __init__(self, ax, real):
        ax.set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), xticks=[], yticks=[])
        side, map_style = torch.linspace(-EDGE, EDGE, FINE), {"origin": "lower", "interpolation": "bilinear"}
        self.places = torch.cartesian_prod(side, side)[:, [1, 0]]  # row by row, from below
        blank, box = np.full((FINE, FINE), 0.5), (-EDGE, EDGE, -EDGE, EDGE)
        self.map = ax.imshow(blank, ANSWERS, vmin=0, vmax=1, extent=box, **map_style)
        self.real = ax.plot(*real.T, ".", color=REAL_COLOR, ms=4, alpha=0.6)[0]
        self.fake = ax.plot([], [], "x", color=G_COLOR, ms=5, mew=1.4)[0]
        self.pushes = ax.add_collection(LineCollection([], colors=INK, linewidths=1.2))

    def draw(self, fake=None, D=None, push=()):
        """fake: G's points (n, 2); D: the network asked; push (p, 2): strokes from the first p points on."""
        if fake is not None:
            self.fake.set_data(*fake.T)
        if D is not None:
            self.map.set_data(answers(D, self.places).reshape(FINE, FINE))
        if len(push):
            length = push.norm(dim=1, keepdim=True)
            ends = fake[: len(push)] + push * (LONGEST / length.clamp(min=LONGEST))
            self.pushes.set_segments(torch.stack([fake[: len(push)], ends], 1).numpy())


def planes(panels, real, side=2.6):
    """Squares of the plane in rows: for each (title, points of G or None, D or None), with `real` (n, 2)."""
    columns = min(len(panels), int(10.6 / side))
    rows = math.ceil(len(panels) / columns)
    figure, frame = canvas(columns * side + 0.1, rows * (side + 0.3))
    wide, tall = figure.get_size_inches()
    for i, (title, fake, D) in enumerate(panels):
        left, top = 0.1 + i % columns * side, tall - i // columns * (side + 0.3)
        box = left / wide, (top - side - 0.2) / tall, (side - 0.1) / wide, (side - 0.1) / tall
        Square(figure.add_axes(box), real).draw(fake, D)
        text(frame, left + side / 2 - 0.05, top - 0.15, title, size=13)
    return figure


class Scene:
    """The live picture of a Playground: what D answers where, the grid of z that G bends, the losses."""

    def __init__(self, real):
        wide, tall, side = 10.8, 3.95, 3.55
        self.figure, frame = canvas(wide, tall)
        lefts = 0.05, 3.75
        axes = [self.figure.add_axes((x / wide, 0.08 / tall, side / wide, side / tall)) for x in lefts]
        self.plane, self.bent = Square(axes[0], real), Square(axes[1], real)
        self.bent.map.set_visible(False)
        self.z, flat = z_grid(), {"colors": G_COLOR, "linewidths": 0.5}
        self.grid = axes[1].add_collection(LineCollection([], colors=G_COLOR, linewidths=0.9))
        inset = axes[1].inset_axes((0.0, 0.0, 0.22, 0.22), xticks=[], yticks=[], xlim=(-3, 3), ylim=(-3, 3))
        inset.add_collection(LineCollection(self.z.numpy(), **flat))
        name = text(axes[1], -1.5, -2.75, "z", G_COLOR)
        top, box = 2.5, (7.85 / wide, 0.45 / tall, 2.2 / wide, 3.05 / tall)
        losses = self.figure.add_axes(box, xlim=(0, 1), ylim=(0, top), xticks=[])
        losses.spines[["top", "right"]].set_visible(False)
        losses.tick_params(labelsize=11, labelfontfamily="DejaVu Sans", colors=INK)
        for y, words in ((2 * math.log(2), "2 log 2"), (math.log(2), "log 2")):
            losses.axhline(y, color=GREY, lw=1.2, ls=":")
            text(frame, 10.42, 0.45 + 3.05 * y / top, words, GREY, 11)
        self.loss_D = losses.plot([], [], color=D_COLOR, lw=1.8)[0]
        self.loss_G = losses.plot([], [], color=G_COLOR, lw=1.8, ls="--")[0]
        bold = {"size": 13, "weight": "bold"}
        text(frame, lefts[0] + side / 2, 3.8, "D trả lời gì ở mỗi chỗ", D_COLOR, **bold)
        text(frame, lefts[1] + side / 2, 3.8, "G uốn không gian ẩn ra sao", G_COLOR, **bold)
        text(frame, 8.95, 3.8, "loss_D và loss_G", **bold)
        text(frame, 8.95, 0.22, "vòng lặp", size=12)
        self.moving = [(axes[0], one) for one in (self.plane.map, self.plane.real, self.plane.fake)]
        self.moving += [(axes[0], self.plane.pushes), (axes[1], self.bent.real), (axes[1], self.grid)]
        self.moving += [(axes[1], inset), (axes[1], name), (losses, self.loss_D), (losses, self.loss_G)]
        for _, artist in self.moving:
            artist.set_animated(True)
        self.figure.canvas.draw()
        self.still = self.figure.canvas.copy_from_bbox(self.figure.bbox)

    def png(self, machine, small=False, shown=300, pushed=60):
        """The Playground as it is now, as PNG bytes; only what moves is drawn anew: 25 ms on two cores.

        small: a third of the size, in ten times the time: for a file.
        """
        points, (G, D) = machine.points(), (machine.state.G, machine.state.D)
        self.plane.draw(points[:shown], D, machine.push(points[:pushed]))
        with torch.no_grad():
            self.grid.set_segments(G(self.z.flatten(0, 1)).view(self.z.shape).numpy())
        history = np.array(machine.history).reshape(-1, 2)
        history = history[:: 1 + len(history) // 300]
        along = np.linspace(0, 1, len(history))
        self.loss_D.set_data(along, history[:, 0])
        self.loss_G.set_data(along, history[:, 1])
        screen = self.figure.canvas
        screen.restore_region(self.still)
        for ax, artist in self.moving:
            ax.draw_artist(artist)
        image, file = Image.fromarray(np.asarray(screen.buffer_rgba())[..., :3]), io.BytesIO()
        if small:
            image = image.quantize(256, dither=Image.Dither.NONE)
        image.save(file, "PNG", compress_level=1, optimize=small)
        return file.getvalue()


def z_grid(lines=11, points=41):
    """Straight lines of z, first upright, then level: float32 (2·lines, points, 2)."""
    across, along = torch.linspace(-2.5, 2.5, lines), torch.linspace(-2.5, 2.5, points)
    upright = torch.stack(torch.meshgrid(across, along, indexing="ij"), 2)
    return torch.cat([upright, upright.flip(2)])


# ------------------------------------------------------------------------------------------------ curves


def curves(lines, xlabel, ylabel, levels=(), ylim=None, height=3.6, log=False):
    """Curves, their names at their right ends.

    lines: (name, x, y, color, format as matplotlib's plot takes it); y of several runs, (runs, len(x)): their
    mean, in a band from the lowest to the highest. levels: (y, name), dotted.
    """
    lines = [(name, x, np.atleast_2d(y), color, style) for name, x, y, color, style in lines]
    width, box = 9, (0.1, 0.68 / height, 0.66, (height - 0.85) / height)
    figure, frame = canvas(width, height)
    ax = figure.add_axes(box, yscale="log" if log else "linear")
    for _, x, y, color, style in lines:
        ax.plot(x, y.mean(0), style, color=color, lw=2.2, ms=6)
        if len(y) > 1:
            ax.fill_between(x, y.min(0), y.max(0), color=color, alpha=0.18, lw=0)
    for y, _ in levels:
        ax.axhline(y, color=GREY, lw=1.3, ls=":", zorder=1)
    ax.set(xlim=(min(float(x[0]) for _, x, *_ in lines), max(float(x[-1]) for _, x, *_ in lines)), ylim=ylim)
    ends = [(float(y[:, -1].mean()), name, color) for name, _, y, color, _ in lines]
    ends += [(y, name, GREY) for y, name in levels]
    to_share = ax.transData + ax.transAxes.inverted()
    ends = [(min(max(to_share.transform((1, y))[1], 0.0), 1.0), name, color) for y, name, color in ends]
    end_labels(figure.add_axes(box, frameon=False, xticks=[], yticks=[]), ends)
    text(frame, 0.2, 0.68 + (height - 0.85) / 2, ylabel, size=14, rotation=90)
    text(frame, 0.43 * width, 0.2, xlabel, size=14)
    if log:
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(labelsize=12, labelfontfamily="DejaVu Sans", colors=INK)
    ax.spines[["top", "right"]].set_visible(False)
    return figure
