"""The pictures of the small worlds: densities and D on the line, the map of D on the plane, a live scene.

Colours as everywhere: D blue and solid, G vermilion and dashed (its points crosses), real data green (dots).
"""

import math

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure

from ganlib.figures import D_COLOR, G_COLOR, GREY, INK, REAL_COLOR, panels, tidy
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
def line_panels(shown, data):
    """Figure 1 of the paper: for each (title, G, D) the densities, D, and arrows from z to G(z).

    data: a 1-D Mixture.
    """
    figure, axes = panels(*(title for title, *_ in shown), width=2.72 * len(shown), height=4)
    low, high = -3.0, 4.0
    x, middle = edges(low, high)
    z = torch.distributions.Normal(0.0, 1.0).icdf(torch.linspace(0.02, 0.98, 15))[:, None]  # evenly likely
    style = dict(arrowstyle="-|>", color=G_COLOR, lw=1.1, shrinkA=0, shrinkB=0, mutation_scale=8)
    for ax, (_, G, D) in zip(axes, shown, strict=True):
        ax.fill_between(middle[:, 0], data.density(middle), color=pale(REAL_COLOR, 0.25))
        ax.plot(middle, data.density(middle), color=REAL_COLOR, lw=2)
        ax.plot(middle, density_of_G(G, x), color=G_COLOR, lw=2.2, ls="--")
        ax.plot(middle, answers_at(D, middle), color=D_COLOR, lw=2.6)
        ax.axhline(0.5, color=GREY, lw=1, ls=":")
        for y, name in ((-0.06, "x"), (-0.62, "z")):  # the two axes that the arrows go between
            ax.axhline(y, color=INK, lw=1.3)
            ax.text(low, y - 0.04, f" {name}", size=13, va="top")
            for place in range(-2, 4):
                ax.text(place, y - 0.05, f"{place}", size=10, color=GREY, ha="center", va="top")
        for start, end in torch.cat([z, G(z)], 1).clamp(low, high).tolist():
            ax.annotate("", (end, -0.19), (start, -0.62), arrowprops=style)
        ax.set(xlim=(low, high), ylim=(-0.78, 1.15), xticks=[], yticks=[])
        ax.spines[["bottom", "left"]].set_visible(False)
        ax.grid(False)
    axes[0].set_yticks((0, 0.5, 1), ("0", "1/2", "1"))
    axes[0].tick_params(length=0)
    return figure


class Square:
    """A square of the plane; `draw` replaces what is in it: the map of D, the points of G, their pushes."""

    def __init__(self, ax, real):
        ax.set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), xticks=[], yticks=[])
        side, blank = torch.linspace(-EDGE, EDGE, FINE), np.full((FINE, FINE), 0.5)
        self.places = torch.cartesian_prod(side, side)[:, [1, 0]]  # row by row, from below
        where = {"extent": (-EDGE, EDGE, -EDGE, EDGE), "origin": "lower", "interpolation": "bilinear"}
        self.map = ax.imshow(blank, ANSWERS, vmin=0, vmax=1, **where)
        ax.plot(*real.T, ".", color=REAL_COLOR, ms=4, alpha=0.6)
        self.fake = ax.plot([], [], "x", color=G_COLOR, ms=5, mew=1.4)[0]
        self.pushes = ax.add_collection(LineCollection([], colors=INK, linewidths=1.2, zorder=3))

    def draw(self, fake, D, push=()):
        """fake: G's points (n, 2); D: the network asked; push (p, 2): strokes from the first p points on."""
        self.fake.set_data(*fake.T)
        self.map.set_data(answers_at(D, self.places).reshape(FINE, FINE))
        if len(push):
            length = push.norm(dim=1, keepdim=True)
            ends = fake[: len(push)] + push * (LONGEST / length.clamp(min=LONGEST))
            self.pushes.set_segments(torch.stack([fake[: len(push)], ends], 1).numpy())


def planes(shown, real, side=2.3):
    """Squares of the plane, up to four in a row, for each (title, points of G, D); real: points (n, 2)."""
    columns = min(len(shown), 4)
    rows = math.ceil(len(shown) / columns)
    figure = Figure((columns * side, rows * (side + 0.3)), layout="constrained")
    for i, (title, fake, D) in enumerate(shown):
        ax = figure.add_subplot(rows, columns, i + 1)
        Square(ax, real).draw(fake, D)
        ax.set_title(title, size=13, color=INK)
    return figure


class Scene:
    """The live picture of a Playground: what D answers where, the grid of z that G bends, the losses."""

    def __init__(self, real):
        self.figure = Figure((10.8, 3.95), layout="constrained")
        left, right, losses = self.figure.subplots(1, 3, width_ratios=(3.6, 3.6, 2.7))
        self.plane, bent = Square(left, real), Square(right, real)
        bent.map.set_visible(False)
        across, along = torch.linspace(-2.5, 2.5, 11), torch.linspace(-2.5, 2.5, 41)
        upright = torch.stack(torch.meshgrid(across, along, indexing="ij"), 2)
        self.z = torch.cat([upright, upright.flip(2)])  # straight lines, upright and level: (22, 41, 2)
        self.grid = right.add_collection(LineCollection([], colors=G_COLOR, linewidths=0.9, zorder=3))
        inset = right.inset_axes((0, 0, 0.22, 0.22), xticks=[], yticks=[], xlim=(-3, 3), ylim=(-3, 3))
        inset.add_collection(LineCollection(self.z.numpy(), colors=G_COLOR, linewidths=0.5))
        right.text(-1.55, -2.85, "z", color=G_COLOR, size=14)
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
        self.figure.draw_without_rendering()  # lays it out: once, for it takes time
        self.figure.set_layout_engine("none")

    def draw(self, machine):
        """The Playground as it is now."""
        points = machine.points()
        self.plane.draw(points[:300], machine.state.D, machine.push(points[:60]))
        with torch.no_grad():
            self.grid.set_segments(machine.state.G(self.z.flatten(0, 1)).view(self.z.shape).numpy())
        history = np.array(machine.history).reshape(-1, 2)
        along = np.linspace(0, 1, len(history))
        self.loss_D.set_data(along, history[:, 0])
        self.loss_G.set_data(along, history[:, 1])


class Orbit:
    """The plane of a Dirac-GAN, θ of G along and ψ of D up: `draw` puts a path and its mean into it."""

    def __init__(self, ax, edge):
        ax.set(xlim=(-edge, edge), ylim=(-edge, edge), xticks=(-1, 0, 1), yticks=(-1, 0, 1), aspect="equal")
        tidy(ax)
        ax.grid(False)
        ax.set_xlabel("θ", color=G_COLOR, size=15)
        turn = np.linspace(0, 2 * math.pi, 200)
        ax.plot(np.cos(turn), np.sin(turn), color=GREY, lw=1.2, ls=":")
        self.way = ax.plot([], [], color=INK, lw=0.8)[0]
        ax.plot(0, 0, "o", color=REAL_COLOR, ms=11)
        self.here = ax.plot([], [], "o", color=INK, ms=7)[0]
        self.mean = ax.plot([], [], "X", color="white", mec=INK, mew=1.2, ms=8)[0]

    def draw(self, path):
        """path: (θ, ψ) of each step, (n, 2)."""
        path = np.asarray(path)
        self.way.set_data(*path.T)
        self.here.set_data(*path[-1:].T)
        self.mean.set_data(*path.mean(0)[:, None])


def orbits(paths, edge=1.7):
    """One Orbit for each {title: (θ, ψ) of each step}, side by side."""
    figure, axes = panels(*paths, width=2.72 * len(paths), height=3.2)
    for ax, path in zip(axes, paths.values(), strict=True):
        Orbit(ax, edge).draw(path)
        ax.title.set_size(13)
    axes[0].set_ylabel("ψ", color=D_COLOR, size=15, rotation=0)
    return figure


class DiracScene:
    """The live picture of a Dirac-GAN: its path on the plane, and what D answers along the line."""

    def __init__(self):
        self.figure = Figure((9, 3.9), layout="constrained")
        left, right = self.figure.subplots(1, 2, width_ratios=(1, 1.3))
        side = np.linspace(-2.75, 2.75, 12)
        self.places = np.stack(np.meshgrid(side, side), 2).reshape(-1, 2)
        still = 0 * self.places.T
        self.arrows = left.quiver(
            *self.places.T, *still, color=GREY, alpha=0.5, pivot="mid", scale=26, width=4e-3
        )
        self.orbit, self.x = Orbit(left, 3), np.linspace(-3, 3, 241)
        right.axhline(0.5, color=GREY, lw=1, ls=":")
        right.plot((0, 0), (0, 1), color=REAL_COLOR, lw=4)
        right.text(0, 1.05, "điểm thật: 0", color=REAL_COLOR, size=13, ha="center")
        self.G = right.plot([], [], color=G_COLOR, lw=4, ls="--")[0]
        self.name = right.text(0, -0.03, "θ", color=G_COLOR, size=15, ha="center", va="top", clip_on=True)
        self.D = right.plot([], [], color=D_COLOR, lw=2.6)[0]
        right.set(xlim=(-3, 3), ylim=(-0.15, 1.18), xticks=(-2, 2), yticks=(0, 0.5, 1), xlabel="x")
        right.set_yticklabels(("0", "1/2", "1"))
        tidy(right)
        left.set_ylabel("ψ", color=D_COLOR, size=15, rotation=0)
        left.set_title("mỗi bước đi theo mũi tên", color=INK, size=13, weight="bold")
        right.set_title("D(x) = σ(ψx), và điểm giả θ", color=D_COLOR, size=13, weight="bold")
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")

    def field(self, rule, eta):
        """Where one step of that rule goes from each place: directions only."""
        moves = np.array([rule(*place, eta) for place in self.places.tolist()], float) - self.places
        length = np.hypot(*moves.T).clip(1e-12)
        self.arrows.set_UVC(*(moves / length[:, None]).T)

    def draw(self, path):
        """path: (θ, ψ) of each step so far, (n, 2)."""
        self.orbit.draw(path)
        theta, psi = path[-1]
        self.G.set_data((theta, theta), (0, 1))
        self.name.set_x(theta)
        self.D.set_data(self.x, 1 / (1 + np.exp(-psi * self.x)))
