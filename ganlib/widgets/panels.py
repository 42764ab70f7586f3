"""The small live panels: the film of a run (notebooks 04 and 05), a walk through the noise space (00 and 07), and a
playground, a GAN on the plane whose k, learning rates and loss may change at any time (06)."""

import math
import time
from collections import deque

import ipywidgets as widgets
import numpy as np
import torch

from ganlib import figures, toy
from ganlib.algorithm import update_D, update_G
from ganlib.data import to_pixels
from ganlib.networks import evaluating
from ganlib.training import LOSSES_G, start
from ganlib.widgets import Board, choice, show

CURVES = {"loss_D": "loss_D", "loss_G": "loss_G", "D_x": "D(x)", "D_Gz": "D(G(z))"}  # name -> in words
MOMENTS, IMAGES = 6, 10  # of the film, where no widget shows: rows, images in each
STEPS = 10  # of the strip that a walk shows
LEARN = 0.06  # seconds of learning between two drawings, at most
SPEEDS = {"từng vòng": 1, "vừa": 5, "nhanh": 50}  # iterations between two drawings, if LEARN allows
SHAPES = {"vòng tám đốm": toy.ring, "lưới 25 đốm": toy.grid}
LOSSES = {"−log D(G(z))": "non_saturating", "log(1 − D(G(z)))": "minimax"}  # of G, as a menu names them


class Film:
    """What `replay` takes, as one thing: `unit`, `numbers` (F), `values` {name: (F,)}, `images` (F, 36, …) uint8."""

    def __init__(self, given):
        film, names = given, [*CURVES, "images"]
        try:
            if isinstance(given, list | tuple):
                names += ["iteration"] * hasattr(given[0], "iteration")
                film = {name: [getattr(row, name) for row in given] for name in names}
            elif not isinstance(given, dict):
                film = {name: getattr(given, name) for name in names}
            self.values = {name: np.asarray(film[name], float) for name in CURVES}
            images = [torch.as_tensor(one) for one in film["images"]]
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            wanted = "một bản ghi (record.load), record.film, hoặc một list các epoch.frames, không rỗng"
            raise TypeError(f"replay cần {wanted}; đã nhận {type(given).__name__}.") from error
        self.images = [one if one.dtype == torch.uint8 else to_pixels(one) for one in images]
        self.numbers = [int(n) for n in film.get("iteration", range(1, len(images) + 1))]
        self.unit = "Vòng lặp" if "iteration" in film else "Epoch"

    def told(self, i):
        """Picture i in words."""
        numbers = ((words, self.values[name][i]) for name, words in CURVES.items())
        numbers = ", ".join(f"{words} = {value:.2f}" for words, value in numbers if math.isfinite(value))
        return f"{self.unit} {self.numbers[i]}/{self.numbers[-1]}: {numbers}"

    def curves(self):
        """The losses and D's answers, as one Figure."""
        figure = figures.loss_curves(*self.values.values())
        axis = figure.axes[-1].xaxis
        axis.set_major_formatter(lambda i, _: self.numbers[int(i) - 1] if 1 <= i <= len(self.numbers) else "")
        axis.set_label_text(self.unit.lower())
        return figure

    def picture(self):
        """Moments of the film, closer together where it begins, as one Figure."""
        moments = np.unique(np.geomspace(1, len(self.images), MOMENTS).round().astype(int) - 1)
        rows = [f"{self.unit.lower()} {self.numbers[i]}" for i in moments]
        return figures.image_grid(torch.cat([self.images[i][:IMAGES] for i in moments]), IMAGES, rows=rows)


class Replay(Board):
    """What `replay` shows: its `widget`, in which `slider.value` is the picture drawn (1 … F)."""

    def __init__(self, film):
        super().__init__()
        self.film = film
        self.figure = film.curves()
        self.bars = [ax.axvline(1, color=figures.INK) for ax in self.figure.axes]  # at the picture shown
        self.figure.set_size_inches(6.5, 4.6)
        self.figure.set_dpi(112)
        self.figure.draw_without_rendering()  # lays it out: once, for it takes time
        self.figure.set_layout_engine("none")
        options = {"description": film.unit, "readout": False, "layout": {"flex": "auto"}}
        self.slider = widgets.IntSlider(1, 1, len(film.images), **options)
        self.line, self.grid, self.curves = widgets.HTML(), widgets.Image(), widgets.Image()
        self.grid.layout.width, self.curves.layout.width = "41%", "59%"
        controls = [self.play(self.step, 150), self.slider]
        self.stack("replay", controls, self.line, [self.grid, self.curves], width="1080px")
        self.on(self.draw, self.slider)
        self.draw()

    def draw(self):
        i = self.slider.value - 1
        for bar in self.bars:
            bar.set_xdata([i + 1] * 2)
        self.grid.value = figures.grid_png(self.film.images[i], scale=4)
        self.curves.value = figures.quick_png(self.figure)
        self.line.value = "<b>{}</b>:{}".format(*self.film.told(i).split(":", 1))

    def step(self):
        self.slider.value = self.slider.value % self.slider.max + 1


def replay(film):
    """Show a film: its pictures with a slider, play and pause, the curves with a marker.

    film: a record.Record (a picture for each epoch), its `film`, or a list of training.Frame or Epoch; of anything
    else TypeError. Where no widget shows: some images of some moments.
    """
    film = Film(film)
    alt = f"Những ảnh mà G vẽ từ cùng {IMAGES} vector nhiễu, mỗi hàng một lúc. {film.told(-1)}."
    show(Replay(film).widget, figures.png(film.picture()), alt, 900)


class Walk(Board):
    """What `walk` shows: its `widget`."""

    def __init__(self, G, z, names, path, ends=(0, -1)):
        super().__init__()
        self.G, self.z, self.path = G, z, path
        menu, places, options = widgets.Dropdown, range(len(z)), [(name, i) for i, name in enumerate(names)]
        self.start = choice(menu, "Đi từ", 12, places[ends[0]], options=options)
        self.end = choice(menu, "đến", 12, places[ends[1]], options=options)
        self.t = choice(widgets.FloatSlider, "t", 50, 0, max=1, step=0.05, readout=False)
        self.line, self.way, self.here = widgets.HTML(), widgets.Image(), widgets.Image()
        self.on(self.draw, self.start, self.end, self.t)
        self.draw()
        self.stack("walk", [self.start, self.end], [self.here, widgets.VBox([self.t, self.line, self.way])])

    @torch.no_grad()
    def draw(self):
        a, b = self.z[self.start.value, None], self.z[self.end.value, None]
        now, *steps = (self.path(a, b, t) for t in (self.t.value, *(i / STEPS for i in range(STEPS + 1))))
        with evaluating(self.G):
            self.here.value = figures.grid_png(self.G(now), scale=6)
            self.way.value = figures.grid_png(self.G(torch.cat(steps)), STEPS + 1, scale=4)
        self.line.value = f"<b>t = {self.t.value:.2f}</b>, chuẩn của z: {now.norm():.2f}. Cả đường:"


def walk(G, z, names, path, ends=(0, -1)):
    """Show the panel: which two of G(z) to walk between, and a slider for how far. Returns nothing.

    z: (n, latent_dim); names: one of each; path: function (a, b, t) -> noise, of a and b (1, latent_dim) and t
    from 0 to 1; ends: which two it begins with. Where no widget shows: a picture of the whole way.
    """
    board = Walk(G, z, names, path, ends)
    show(board.widget, board.way.value, f"Mười một ảnh trên đường đi từ {names[ends[0]]} đến {names[ends[1]]}.", 704)


class Playground(Board):
    """Algorithm 1 on a 2-D distribution of ganlib.toy, moved step by step; its random numbers are its own."""

    def __init__(self):
        super().__init__()
        menu, number, slider = widgets.Dropdown, widgets.BoundedIntText, widgets.FloatLogSlider
        rate = {"min": -5, "max": -1, "step": 0.1, "readout_format": ".1e"}
        self.shape = choice(menu, "dữ liệu", 16, toy.ring, options=SHAPES.items())
        self.width = choice(number, "độ rộng", 9, 64, min=1, max=512)
        self.seed = choice(number, "seed", 9, 0, min=0, max=10**9)
        self.k = choice(widgets.IntSlider, "k", 13, 1, min=1, max=10)
        self.lr_D, self.lr_G = (choice(slider, name, 17, 1e-3, **rate) for name in ("lr_D", "lr_G"))
        self.loss = choice(menu, "loss của G", 17, "non_saturating", options=LOSSES.items())
        self.speed = choice(menu, "tốc độ", 11, 50, options=SPEEDS.items())
        self.line, self.picture = widgets.HTML(), widgets.Image(layout={"width": "1080px"})
        buttons = (
            self.play(self.run),
            self.button("D đi một bước", "Bước 1 và 2 của Thuật toán 1", self.step_D, self.draw),
            self.button("G đi một bước", "Bước 4 và 5 của Thuật toán 1", self.step_G, self.draw),
            self.button("Một vòng lặp", "D đi đủ k bước, rồi G đi một bước", self.iteration, self.draw),
            self.button("Làm lại", "Hai mạng mới, từ seed đang ghi trên bảng", self.restart),
        )
        above, below = (self.shape, self.width, self.seed), (self.k, self.lr_D, self.lr_G, self.loss, self.speed)
        self.stack("playground", self.line, self.picture, buttons, above, below)
        self.on(self.restart, *above)
        self.restart()

    def restart(self):
        self.data, width = self.shape.value(), self.width.value
        with torch.random.fork_rng([]):
            torch.manual_seed(self.seed.value)
            G, D = toy.mlp(2, 2, width), toy.mlp(2, 1, width)
        self.state = start("cpu", "fp32", G=G, D=D, seed=self.seed.value, m=256, latent_dim=2, average=0.0)
        with self.state.own_randomness():
            self.real, self.z = self.data.sample(300), self.state.noise(1200)  # shown; and counted
        self.turn, self.loss_D, self.history = 0, math.nan, deque(maxlen=4000)  # turn: D's steps since G's last
        self.scene = toy.Scene(self.real)
        self.draw()

    def step_D(self):
        """Steps 1 and 2 of Algorithm 1, on fresh points."""
        s = self.state
        s.optimizer_D.param_groups[0]["lr"] = self.lr_D.value
        with s.own_randomness():
            self.loss_D = update_D(s.D, s.G, self.data.sample(256), s.noise(256), s.optimizer_D).item()
        self.turn += 1

    def step_G(self):
        """Steps 4 and 5: an iteration is over."""
        s = self.state
        s.optimizer_G.param_groups[0]["lr"] = self.lr_G.value
        with s.own_randomness():
            loss = update_G(s.D, s.G, s.noise(256), s.optimizer_G, LOSSES_G[self.loss.value])
        s.iterations, self.turn = s.iterations + 1, 0
        self.history.append((self.loss_D, loss.item()))

    def iteration(self):
        """D's steps until there are k, then G's one."""
        while self.turn < self.k.value:
            self.step_D()
        self.step_G()

    def run(self):
        until = time.monotonic() + LEARN
        for _ in range(self.speed.value):
            if time.monotonic() < until:
                self.iteration()
        self.draw()

    def push(self, points):
        """Where D sends each point (n, 2): minus the gradient of its own loss."""
        x = points.clone().requires_grad_()
        loss = LOSSES_G[self.loss.value](self.state.D(x)) * len(x)  # it is a mean: each point gets its own
        return -torch.autograd.grad(loss, x)[0]

    def draw(self):
        s = self.state
        with torch.no_grad():
            points = s.G(self.z)
        self.scene.draw(s.G, s.D, points[:300], self.push(points[:60]), self.history)
        reached, modes = toy.coverage(points, self.data)
        losses = "" if not self.history else " loss_D = {:.2f}, loss_G = {:.2f}.".format(*self.history[-1])
        turn = f" D đã đi {self.turn}/{self.k.value} bước của vòng tiếp theo." if self.turn else ""
        losses = losses.replace("nan", "–")
        self.told = f"Vòng lặp {s.iterations}.{turn}{losses} G phủ {reached}/{modes} đốm."
        self.line.value, self.picture.value = self.told, figures.quick_png(self.scene.figure)


def playground():
    """Show the panel; where no widget shows: a picture after 300 iterations."""
    shown = Playground()
    for _ in range(300):
        shown.iteration()
    shown.draw()
    png, alt = figures.png(shown.scene.figure), f"Sân chơi sau 300 vòng lặp. {shown.told}"
    shown.restart()
    show(shown.widget, png, alt, 1080)
