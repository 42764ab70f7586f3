"""The smallest GAN, moved step by step (notebook 06): G is one number θ, D is σ(ψx), the real data are 0."""

import math

import ipywidgets as widgets

from ganlib import figures
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
    shown.draw()
    png, alt = figures.png(shown.scene.figure), f"Luật “{shown.rule.value}”. {shown.words()}"
    shown.click(shown.restart)
    panel.show(shown.widget, png, alt, 900)


class Panel:
    """What `dirac` shows: its `widget`, and `path`, the (θ, ψ) from the start (1, 0) on."""

    def __init__(self, rules):
        self.rules, self.scene = rules, DiracScene()
        self.runner, self.line = panel.Runner(self.step, self.stopped), widgets.HTML()
        self.picture = widgets.Image(format="png", layout={"width": "900px"})
        self.buttons = panel.buttons(
            self.click,
            ("run", "", "Chạy liên tục; bấm lần nữa để dừng", self.begin),
            ("one", "Một bước", "Một bước theo luật đang chọn", lambda: self.go(1)),
            ("restart", "Làm lại", "Trở về θ = 1, ψ = 0", self.restart),
        )
        self.buttons["run"].button_style = "primary"
        menu, slider = widgets.Dropdown, widgets.FloatSlider
        self.rule = panel.choice(menu, "luật", 290, next(iter(rules)), options=list(rules))
        self.eta = panel.choice(slider, "η", 220, 0.2, min=0.02, max=0.6, step=0.02)
        self.speed = panel.choice(menu, "tốc độ", 150, SPEEDS["từng bước"], options=SPEEDS.items())
        for one in (self.rule, self.eta):
            one.observe(lambda _change: self.click(self.restart), "value")
        row = widgets.HBox([*self.buttons.values(), self.rule, self.eta, self.speed])
        self.widget = widgets.VBox([self.line, self.picture, row], layout={"max_width": "1100px"})
        self.widget.add_class("ganlib-dirac")
        self.click(self.restart)

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
        self.picture.value = figures.screen_png(self.scene.figure)
        self.line.value = panel.line(self.words())

    def click(self, action):
        """Whatever is pressed, a run ends; the button that began it does no more than that."""
        with panel.ALONE:
            running = self.runner.running
            self.runner.stop()
            if not running or action != self.begin:
                action()
            self.draw()

    def begin(self):
        self.buttons["run"].description, self.buttons["run"].icon = "Dừng", "stop"
        self.runner.start()

    def step(self):
        self.go(self.speed.value)
        self.draw()
        return len(self.path) <= LONGEST

    def stopped(self):
        self.buttons["run"].description, self.buttons["run"].icon = "Chạy", "play"

    def restart(self):
        self.path = [(1.0, 0.0)]
        self.scene.field(self.rules[self.rule.value], self.eta.value)
