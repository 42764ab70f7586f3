"""The stepper's panel: the sheet of a View, buttons that move the machine, choices for the next run."""

import asyncio
import time

import ipywidgets as widgets

from ganlib.panels import ALONE, LOSSES, buttons, choice, show
from ganlib.state import Settings
from ganlib.stepper import SITUATIONS, Stepper
from ganlib.stepper_sheet import STYLE, picture, sheet
from ganlib.writeup import SETS

FRAME = 0.08  # seconds between two drawings while it runs: 12 a second
RUN = 100  # iterations of the long run


def stepper(data="mnist", **settings):
    """Show the panel; data: "mnist" or "fashion", settings: those of Settings, both to begin with.

    What cannot be is refused (ValueError, TypeError, data.DataError; Vietnamese).
    """
    with ALONE:
        panel = Panel(data, **settings)
        panel.machine.finish_half()
        still = picture(panel.machine.view())
        panel.machine.restart()
    show(panel.widget, "Chạy ô này trong JupyterLab để tự tay bấm từng bước.", still)


class Panel:
    """What `stepper` shows: its `widget`, over its `machine`."""

    def __init__(self, data="mnist", **settings):
        self.machine = m = Stepper(data, **settings)
        self.task, self.message, self.sheet = None, "", widgets.HTML()
        self.buttons = buttons(
            self.click,
            ("back", "Lùi lại", "Về điểm dừng ngay trước", m.back),
            ("step", "Bước tiếp", "Làm một dòng của thuật toán", m.step),
            ("half", "Chạy hết nửa vòng", "Đến khi D đi đủ k bước, hoặc G đi một bước", m.finish_half),
            ("iteration", "Chạy hết vòng", "Đến khi G đi xong bước của vòng lặp này", m.finish_iteration),
            ("run", "", f"Chạy {RUN} vòng lặp; bấm lần nữa để dừng", self.begin),
            ("restart", "Làm lại", "Bắt đầu lại từ seed, với các lựa chọn đang ghi trên bảng", self.restart),
        )
        self.buttons["step"].button_style = "primary"
        s, text, menu = m.state.settings, widgets.Text, widgets.Dropdown
        what_if = [(one.name, key) for key, one in SITUATIONS.items()]
        images = [(words, key) for key, words in SETS.items()]
        self.choices = {
            "situation": choice(menu, "Nếu như", 330, "normal", options=what_if),
            "k": choice(menu, "k", 75, s.k, options=sorted({*range(1, 6), s.k})),
            "lr_D": choice(text, "lr_D", 140, str(s.lr_D), continuous_update=False),
            "lr_G": choice(text, "lr_G", 140, str(s.lr_G), continuous_update=False),
            "loss": choice(menu, "loss của G", 250, s.loss, options=LOSSES.items()),
            "data": choice(menu, "ảnh", 180, data, options=images),
            "seed": choice(text, "seed", 130, str(s.seed), continuous_update=False),
        }
        for one in self.choices.values():
            one.observe(self.chosen, "value")
        situation, *others = self.choices.values()
        rows = widgets.HBox([*self.buttons.values(), situation]), widgets.HBox(others)
        self.widget = widgets.VBox([widgets.HTML(STYLE), self.sheet, *rows], layout={"max_width": "1100px"})
        self.widget.add_class("ganlib-stepper")
        self.stand_still()

    def draw(self):
        view = self.machine.view()
        self.sheet.value = sheet(view, self.machine.images.name, self.message or view.notice)

    # ---------------------------------------------------------------------------------------- the commands

    def click(self, action):
        with ALONE:
            running, self.message = self.task, ""
            if running:  # whatever was clicked: first it stands still
                done = len(self.machine.history)
                self.message = f"Đã dừng sau vòng lặp {done}, mọi thứ vẫn còn. Bấm lại để đi tiếp từ đây."
                self.stand_still()
            else:
                action()
                self.draw()

    def begin(self):
        self.buttons["run"].description, self.buttons["run"].icon = "Dừng", "stop"
        self.task = asyncio.get_running_loop().create_task(self.run())

    def stand_still(self):
        self.task, self.buttons["run"].description, self.buttons["run"].icon = None, f"Chạy {RUN} vòng", ""
        self.draw()

    async def run(self):
        me, iterations, drawn = asyncio.current_task(), self.machine.run(RUN), time.monotonic()
        while True:
            with ALONE:
                if self.task is not me:
                    return
                if next(iterations, None) is None:
                    return self.stand_still()
                if time.monotonic() - drawn >= FRAME:
                    drawn = time.monotonic()
                    self.draw()
            await asyncio.sleep(0.001)  # clicks come in

    # ----------------------------------------------------------------------------------------- the choices

    def wanted(self):
        """The choices, as `Stepper.restart` takes them. Raises ValueError (Vietnamese)."""
        values = {name: one.value for name, one in self.choices.items()}
        rate = float, "một số dương, ví dụ 0.0002 hoặc 2e-4"
        seed = lambda words: range(10**18).index(int(words)), "số nguyên từ 0, dưới 19 chữ số"
        for name, (kind, what) in {"lr_D": rate, "lr_G": rate, "seed": seed}.items():
            try:
                values[name] = kind(values[name].replace(",", "."))
            except ValueError:
                raise ValueError(f"{name} phải là {what}; đã nhận {values[name]!r}.") from None
        Settings(**{name: value for name, value in values.items() if name not in ("situation", "data")})
        return values

    def chosen(self, _change):
        """Only say what comes next, or what is wrong: a slip of the hand must not throw a run away."""
        self.message = "Bấm Làm lại để bắt đầu từ đầu với lựa chọn mới. Cho đến lúc đó, lần chạy này vẫn còn."
        self.buttons["restart"].button_style = "warning"
        try:
            self.wanted()
        except ValueError as error:
            self.message = f"{error} Lần chạy này vẫn y nguyên."
        with ALONE:
            self.draw()

    def restart(self):
        try:
            wanted = self.wanted()
            if wanted["data"] != self.machine.images.name:
                self.message = "Đang đọc dữ liệu…"
                self.draw()
            self.machine.restart(**wanted)
        except (ValueError, RuntimeError) as error:
            self.message = f"{error} Lần chạy này vẫn y nguyên."
        else:
            self.message = self.buttons["restart"].button_style = ""
