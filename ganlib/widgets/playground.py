"""A GAN on the plane to play with (notebook 06): k, the learning rates, the loss may change at any time."""

import math
import time
from collections import deque

import ipywidgets as widgets
import torch

from ganlib.algorithm import update_D, update_G
from ganlib.toy import SHAPES, coverage, mlp
from ganlib.toy_figures import Scene
from ganlib.training import LOSSES_G, start
from ganlib.widgets import panel

LEARN = 0.06  # seconds of learning between two drawings, at most
SPEEDS = {"từng vòng": 1, "vừa": 5, "nhanh": 50}  # iterations between two drawings, if LEARN allows
NAMES = {"vòng tám đốm": "ring", "lưới 25 đốm": "grid", "hai ô vuông xa nhau": "squares"}
LOSSES = {"−log D(G(z))": "non_saturating", "log(1 − D(G(z)))": "minimax"}  # of G, as a menu names them


def playground():
    """Show the panel; where no widget shows: a picture after 300 iterations."""
    shown = Panel()
    for _ in range(300):
        shown.machine.iteration()
    shown.show(f"Sân chơi sau 300 vòng lặp. {shown.machine.words()}")


class Playground:
    """Algorithm 1 on a 2-D distribution of ganlib.toy, moved step by step; its random numbers are its own."""

    def __init__(self, shape, width, seed, **choices):
        self.data = SHAPES[shape]()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            G, D = mlp(2, 2, width), mlp(2, 1, width)
        self.state = start("cpu", "fp32", G=G, D=D, seed=seed, m=256, latent_dim=2, average=0.0)
        with self.state.own_randomness():
            self.real, self.z = self.data.sample(300), self.state.noise(1200)  # shown; and counted
        self.loss_D = self.loss_G = math.nan
        self.turn, self.history = 0, deque(maxlen=4000)  # D's steps since G's last; (loss_D, loss_G)
        self.choose(**choices)

    def choose(self, k, lr_D, lr_G, loss):
        """What acts from the next step on."""
        self.k, self.loss = k, LOSSES_G[loss]
        self.state.optimizer_D.param_groups[0]["lr"] = lr_D
        self.state.optimizer_G.param_groups[0]["lr"] = lr_G

    def step_D(self):
        """Steps 1 and 2 of Algorithm 1, on fresh points."""
        s = self.state
        with s.own_randomness():
            x, z = self.data.sample(s.settings.m), s.noise(s.settings.m)
            self.loss_D = update_D(s.D, s.G, x, z, s.optimizer_D).item()
        self.turn += 1

    def step_G(self):
        """Steps 4 and 5: an iteration is over."""
        s = self.state
        with s.own_randomness():
            self.loss_G = update_G(s.D, s.G, s.noise(s.settings.m), s.optimizer_G, self.loss).item()
        s.iterations, self.turn = s.iterations + 1, 0
        self.history.append((self.loss_D, self.loss_G))

    def iteration(self):
        """D's steps until there are k, then G's one."""
        while self.turn < self.k:
            self.step_D()
        self.step_G()

    @torch.no_grad()
    def points(self):
        """G of the fixed noise, (1200, 2)."""
        return self.state.G(self.z)

    def push(self, points):
        """Where D sends each point (n, 2): minus the gradient of its own loss."""
        x = points.clone().requires_grad_()
        loss = self.loss(self.state.D(x)) * len(x)  # the loss is a mean: each point gets its own
        return -torch.autograd.grad(loss, x)[0]

    def words(self):
        """How it stands, in one line."""
        losses = f" loss_D = {self.loss_D:.2f}, loss_G = {self.loss_G:.2f}." if self.history else ""
        reached, modes = coverage(self.points(), self.data)
        step = f" D đã đi {self.turn}/{self.k} bước của vòng tiếp theo." if self.turn else ""
        return f"Vòng lặp {self.state.iterations}.{step}{losses} Độ phủ: {reached}/{modes} mode."


class Panel(panel.Scenic):
    """What `playground` shows: its `widget`, over its `machine`."""

    def __init__(self):
        menu, number, slider = widgets.Dropdown, widgets.BoundedIntText, widgets.FloatLogSlider
        rate = {"min": -5, "max": -1, "step": 0.1, "readout_format": ".1e"}
        self.anew = {  # begins a new run
            "shape": panel.choice(menu, "dữ liệu", 225, "ring", options=NAMES.items()),
            "width": panel.choice(number, "độ rộng", 115, 64, min=1, max=512),
            "seed": panel.choice(number, "seed", 110, 0, min=0, max=10**9),
        }
        self.now = {  # acts from the next step on
            "k": panel.choice(widgets.IntSlider, "k", 180, 1, min=1, max=10),
            "lr_D": panel.choice(slider, "lr_D", 235, 1e-3, **rate),
            "lr_G": panel.choice(slider, "lr_G", 235, 1e-3, **rate),
            "loss": panel.choice(menu, "loss của G", 235, "non_saturating", options=LOSSES.items()),
        }
        self.speed = panel.choice(menu, "tốc độ", 150, SPEEDS["nhanh"], options=SPEEDS.items())
        actions = (
            ("D", "D đi một bước", "Bước 1 và 2 của Thuật toán 1", lambda: self.machine.step_D()),
            ("G", "G đi một bước", "Bước 4 và 5 của Thuật toán 1", lambda: self.machine.step_G()),
            ("one", "Một vòng lặp", "D đi đủ k bước, rồi G đi một bước", lambda: self.machine.iteration()),
            ("restart", "Làm lại", "Hai mạng mới, từ seed đang ghi trên bảng", self.restart),
        )
        anew, below = self.anew.values(), [*self.now.values(), self.speed]
        super().__init__("playground", 1080, actions, anew, below, anew=anew)
        for one in self.now.values():
            one.observe(self.changed, "value")

    def draw(self):
        self.scene.draw(self.machine)
        self.tell(self.machine.words())

    def step(self):
        until = time.monotonic() + LEARN
        for _ in range(self.speed.value):
            self.machine.iteration()
            if time.monotonic() > until:
                break
        self.draw()
        return True

    def changed(self, _change):
        with panel.ALONE:
            self.machine.choose(**values(self.now))
            self.draw()

    def restart(self):
        self.machine = Playground(**values(self.anew | self.now))
        self.scene = Scene(self.machine.real)


def values(choices):
    return {name: one.value for name, one in choices.items()}
