"""The pictures of the small worlds: densities and D on the line, the map of D on the plane, a live scene.

Colours as everywhere: D blue and solid, G vermilion and dashed (its points crosses), real data green (dots).
"""

import io
import math

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from PIL import Image

from ganlib.figures import D_COLOR, G_COLOR, GREY, INK, REAL_COLOR, WIDTH, panels, tidy
from ganlib.toy import density_of_G, edges

EDGE = 3.0  # the plane is shown from −EDGE to EDGE
FINE = 48  # D is asked at FINE × FINE places
LONGEST = 0.6  # of a stroke that shows where D sends a point


def pale(color, share=0.5):
    return tuple(1 - share + share * np.array(to_rgb(color)))


ANSWERS = LinearSegmentedColormap.from_list("D", [pale(G_COLOR), "white", pale(REAL_COLOR)])  # 0, 1/2, 1


@torch.no_grad()
def answers_at(D, x):
    """D(x) = sigmoid of the logit, at each of the points x (n, d): numpy (n,)."""
    return torch.sigmoid(D(x)).flatten().numpy()


@torch.no_grad()
def line_panels(shown, data, low=-3.0, high=4.0):
    """Figure 1 of the paper: for each (title, G, D) the densities, D, and arrows from z to G(z).

    data: a 1-D Mixture. G or D None: left out.
    """
    figure, axes = panels(*(title for title, *_ in shown), width=2.72 * len(shown), height=3.7)
    x, middle = edges(low, high)
    z = torch.distributions.Normal(0.0, 1.0).icdf(torch.linspace(0.02, 0.98, 15))[:, None]  # evenly likely
    style = dict(arrowstyle="-|>", color=G_COLOR, lw=1.1, shrinkA=0, shrinkB=0, mutation_scale=8)
    for ax, (_, G, D) in zip(axes, shown, strict=True):
        ax.fill_between(middle[:, 0], data.density(middle), color=pale(REAL_COLOR, 0.25))
        ax.plot(middle, data.density(middle), color=REAL_COLOR, lw=2)
        ax.axhline(0.5, color=GREY, lw=1, ls=":")
        for y, name in ((-0.06, "x"), (-0.5, "z")):  # the two axes that the arrows go between
            ax.axhline(y, color=INK, lw=1.3)
            ax.text(low, y - 0.04, f" {name}", size=13, va="top")
        if G is not None:
            ax.plot(middle, density_of_G(G, x), color=G_COLOR, lw=2.2, ls="--")
            for start, end in torch.cat([z, G(z)], 1).clamp(low, high).tolist():
                ax.annotate("", (end, -0.07), (start, -0.5), arrowprops=style)
        if D is not None:
            ax.plot(middle, answers_at(D, middle), color=D_COLOR, lw=2.6)
        ax.set(xlim=(low, high), ylim=(-0.6, 1.15), xticks=[], yticks=[])
        ax.spines[["bottom", "left"]].set_visible(False)
    return figure


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
            self.map.set_data(answers_at(D, self.places).reshape(FINE, FINE))
        if len(push):
            length = push.norm(dim=1, keepdim=True)
            ends = fake[: len(push)] + push * (LONGEST / length.clamp(min=LONGEST))
            self.pushes.set_segments(torch.stack([fake[: len(push)], ends], 1).numpy())


def planes(shown, real, side=2.6):
    """Squares of the plane in rows: for each (title, points of G or None, D or None), with `real` (n, 2)."""
    columns = min(len(shown), int(10.6 / side))
    rows = math.ceil(len(shown) / columns)
    figure = Figure((columns * side, rows * (side + 0.3)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for ax, (title, fake, D) in zip(axes, shown, strict=False):
        Square(ax, real).draw(fake, D)
        ax.set_title(title, size=13, color=INK)
    for ax in axes[len(shown) :]:
        ax.remove()
    return figure


class Scene:
    """The live picture of a Playground: what D answers where, the grid of z that G bends, the losses."""

    def __init__(self, real):
        self.figure = Figure((10.8, 3.95), dpi=WIDTH, layout="constrained")
        self.canvas = FigureCanvasAgg(self.figure)
        left, right, losses = self.figure.subplots(1, 3, width_ratios=(3.6, 3.6, 2.7))
        self.plane, bent = Square(left, real), Square(right, real)
        bent.map.set_visible(False)
        self.z = z_grid()
        self.grid = right.add_collection(LineCollection([], colors=G_COLOR, linewidths=0.9))
        inset = right.inset_axes((0, 0, 0.22, 0.22), xticks=[], yticks=[], xlim=(-3, 3), ylim=(-3, 3))
        inset.add_collection(LineCollection(self.z.numpy(), colors=G_COLOR, linewidths=0.5))
        name = right.text(-1.55, -2.85, "z", color=G_COLOR, size=14)
        losses.set(xlim=(0, 1), ylim=(0, 2.5), xticks=[], xlabel="vòng lặp")
        for y, words in ((2 * math.log(2), " 2 log 2"), (math.log(2), " log 2")):
            losses.axhline(y, color=GREY, lw=1.2, ls=":")
            losses.text(1, y, words, color=GREY, size=11, va="center")
        self.loss_D = losses.plot([], [], color=D_COLOR, lw=1.8)[0]
        self.loss_G = losses.plot([], [], color=G_COLOR, lw=1.8, ls="--")[0]
        tidy(losses)
        left.set_title("D trả lời gì ở mỗi chỗ", color=D_COLOR, size=13, weight="bold")
        right.set_title("G uốn không gian ẩn ra sao", color=G_COLOR, size=13, weight="bold")
        losses.set_title("loss_D và loss_G", color=INK, size=13, weight="bold")
        self.moving = [self.plane.map, self.plane.real, self.plane.fake, self.plane.pushes]
        self.moving += [bent.real, self.grid, inset, name, self.loss_D, self.loss_G]
        for artist in self.moving:
            artist.set_animated(True)
        self.canvas.draw()
        self.still = self.canvas.copy_from_bbox(self.figure.bbox)

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
        self.canvas.restore_region(self.still)
        for artist in self.moving:
            artist.draw(self.canvas.get_renderer())
        image, file = Image.fromarray(np.asarray(self.canvas.buffer_rgba())[..., :3]), io.BytesIO()
        if small:
            image = image.quantize(256, dither=Image.Dither.NONE)
        image.save(file, "PNG", compress_level=1, optimize=small)
        return file.getvalue()


def z_grid(lines=11, points=41):
    """Straight lines of z, first upright, then level: float32 (2·lines, points, 2)."""
    across, along = torch.linspace(-2.5, 2.5, lines), torch.linspace(-2.5, 2.5, points)
    upright = torch.stack(torch.meshgrid(across, along, indexing="ij"), 2)
    return torch.cat([upright, upright.flip(2)])
