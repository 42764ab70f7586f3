"""The smallest GAN, moved step by step (notebook 06): G is one number θ, D is σ(ψx), the real data are 0."""

import math

import ipywidgets as widgets

from ganlib.toy_figures import DiracScene
from ganlib.widgets import panel

LONGEST = 2000  # steps of a run
SPEEDS = {"từng bước": 1, "vừa": 5, "nhanh": 25}  # steps between two drawings


def dirac(rules):
    """Show the panel. rules: name -> function (theta, psi, eta) -> (theta, psi), one step of that rule.

    Where no widget shows: a picture after 150 steps of the first rule.
    """
    shown = Panel(rules)
    shown.go(150)
    shown.show(f"Luật “{shown.rule.value}”. {shown.words()}")


class Panel(panel.Scenic):
    """What `dirac` shows: its `widget`, and `path`, the (θ, ψ) from the start (1, 0) on."""

    def __init__(self, rules):
        self.rules, self.scene = rules, DiracScene()
        menu, slider = widgets.Dropdown, widgets.FloatSlider
        self.rule = panel.choice(menu, "luật", 290, next(iter(rules)), options=list(rules))
        self.eta = panel.choice(slider, "η", 220, 0.2, min=0.02, max=0.6, step=0.02)
        self.speed = panel.choice(menu, "tốc độ", 150, SPEEDS["từng bước"], options=SPEEDS.items())
        actions = (
            ("one", "Một bước", "Một bước theo luật đang chọn", lambda: self.go(1)),
            ("restart", "Làm lại", "Trở về θ = 1, ψ = 0", self.restart),
        )
        beside = self.rule, self.eta, self.speed
        super().__init__("dirac", 900, actions, beside, anew=(self.rule, self.eta))

    def go(self, steps):
        rule = self.rules[self.rule.value]
        for _ in range(steps):
            self.path.append(tuple(map(float, rule(*self.path[-1], self.eta.value))))

    def words(self):
        """How it stands, in one line."""
        n, (theta, psi) = len(self.path), self.path[-1]
        mean = math.hypot(*(sum(one) / n for one in zip(*self.path, strict=True)))
        far = math.hypot(theta, psi)
        return (
            f"Bước {n - 1}. θ = {theta:.2f}, ψ = {psi:.2f}, cách đích {far:.2f}; "
            f"trung bình từ đầu cách đích {mean:.2f}."
        )

    def draw(self):
        self.scene.draw(self.path)
        self.tell(self.words())

    def step(self):
        self.go(self.speed.value)
        self.draw()
        return len(self.path) <= LONGEST

    def restart(self):
        self.path = [(1.0, 0.0)]
        self.scene.field(self.rules[self.rule.value], self.eta.value)
