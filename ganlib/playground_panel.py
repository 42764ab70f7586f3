"""The playground's panel: the live picture, the buttons, the sliders."""

import asyncio
import time

import ipywidgets as widgets

from ganlib.panels import ALONE, LOSSES, buttons, choice, show
from ganlib.playground import Playground
from ganlib.toy_figures import Scene

LEARN = 0.04  # seconds of learning between two drawings, at most
SHAPES = {"vòng tám đốm": "ring", "lưới 25 đốm": "grid", "hai vành trăng": "moons",
          "đường thẳng": "line", "hai ô vuông xa nhau": "squares"}  # fmt: skip
SPEEDS = {"từng vòng": 1, "vừa": 5, "nhanh": 50}  # iterations between two drawings, if LEARN allows
NOT_FINITE = "Loss không còn là số hữu hạn: tốc độ học quá lớn. Hãy kéo nhỏ lại, rồi bấm Làm lại."


def playground(shape="ring", **settings):
    """Show the panel; shape: a key of toy.SHAPES; settings: those of Playground; both to begin with."""
    with ALONE:
        panel = Panel(shape, **settings)
        for _ in range(300):
            panel.machine.iteration()
        picture = panel.scene.png(panel.machine, small=True)
        still = picture, f"Sân chơi sau 300 vòng lặp. {panel.words()}", 1080
        panel.restart()
    show(panel.widget, "Chạy ô này trong JupyterLab để tự tay điều khiển.", still)


class Panel:
    """What `playground` shows: its `widget`, over its `machine`."""

    def __init__(self, shape="ring", **settings):
        first = Playground(shape, **settings)
        self.task, self.line = None, widgets.HTML()
        self.picture = widgets.Image(format="png", layout={"width": "1080px"})
        self.buttons = buttons(
            self.click,
            ("run", "Chạy", "Chạy liên tục; bấm lần nữa để dừng", self.begin),
            ("D", "D đi một bước", "Bước 1 và 2 của Thuật toán 1", lambda: self.machine.step_D()),
            ("G", "G đi một bước", "Bước 4 và 5 của Thuật toán 1", lambda: self.machine.step_G()),
            ("one", "Một vòng lặp", "D đi đủ k bước, rồi G đi một bước", lambda: self.machine.iteration()),
            ("restart", "Làm lại", "Hai mạng mới, từ seed đang ghi trên bảng", self.restart),
        )
        self.buttons["run"].button_style = "primary"
        menu, slider, rate = widgets.Dropdown, widgets.FloatLogSlider, {"min": -5, "max": -1, "step": 0.1}
        s, number, most = first.state.settings, widgets.BoundedIntText, 10**9
        self.anew = {  # begins a new run
            "shape": choice(menu, "dữ liệu", 225, shape, options=SHAPES.items()),
            "width": choice(number, "độ rộng", 115, first.width, min=1, max=512),
            "seed": choice(number, "seed", 110, s.seed, min=0, max=max(most, s.seed)),
        }
        self.now = {  # acts from the next step on
            "k": choice(widgets.IntSlider, "k", 180, s.k, min=1, max=max(10, s.k)),
            "lr_D": choice(slider, "lr_D", 235, s.lr_D, readout_format=".1e", **rate),
            "lr_G": choice(slider, "lr_G", 235, s.lr_G, readout_format=".1e", **rate),
            "loss": choice(menu, "loss của G", 235, s.loss, options=LOSSES.items()),
            "speed": choice(menu, "tốc độ", 150, SPEEDS["nhanh"], options=SPEEDS.items()),
        }
        for one in self.anew.values():
            one.observe(lambda _change: self.click(self.restart), "value")
        for one in self.now.values():
            one.observe(self.changed, "value")
        rows = widgets.HBox([*self.buttons.values(), *self.anew.values()]), widgets.HBox([*self.now.values()])
        self.widget = widgets.VBox([self.line, self.picture, *rows], layout={"max_width": "1100px"})
        self.widget.add_class("ganlib-playground")
        self.restart()

    def words(self):
        """The machine in one line."""
        m = self.machine
        if not m.finite():
            return NOT_FINITE
        losses = f" loss_D = {m.loss_D:.2f}, loss_G = {m.loss_G:.2f}." if m.history else ""
        reached, modes = m.coverage()
        step = f"D đã đi {m.turn}/{m.k} bước của vòng tiếp theo." if m.turn else ""
        return f"Vòng lặp {m.state.iterations}. {step}{losses} Độ phủ: {reached}/{modes} mode."

    def draw(self):
        self.picture.value = self.scene.png(self.machine)
        style = "font-size: 17px; font-variant-numeric: tabular-nums"  # numbers change, their places don't
        self.line.value = f'<span style="{style}">{self.words()}</span>'

    # ---------------------------------------------------------------------------------------- the commands

    def click(self, action):
        with ALONE:
            running = self.task
            self.stand_still()
            if not running or action != self.begin:
                action()
            self.draw()

    def begin(self):
        self.buttons["run"].description, self.buttons["run"].icon = "Dừng", "stop"
        self.task = asyncio.get_running_loop().create_task(self.run())

    def stand_still(self):
        self.task, self.buttons["run"].description, self.buttons["run"].icon = None, "Chạy", "play"

    async def run(self):
        me = asyncio.current_task()
        while True:
            with ALONE:
                if self.task is not me:
                    return
                until = time.monotonic() + LEARN
                for _ in range(self.now["speed"].value):
                    self.machine.iteration()
                    if time.monotonic() > until:
                        break
                self.draw()
                if not self.machine.finite():
                    return self.stand_still()
            await asyncio.sleep(0.001)  # clicks come in

    # ----------------------------------------------------------------------------------------- the choices

    def changed(self, _change):
        with ALONE:
            m, chosen = self.machine, {name: one.value for name, one in self.now.items()}
            m.k, m.loss = chosen["k"], chosen["loss"]
            m.set_rates(chosen["lr_D"], chosen["lr_G"])
            self.draw()

    def restart(self):
        chosen = {name: one.value for name, one in (self.now | self.anew).items() if name != "speed"}
        self.machine = Playground(**chosen)
        self.scene = Scene(self.machine.real)
        self.draw()
