"""The panel that steps through Algorithm 1 line by line, in the reader's own functions (notebook 03)."""

import inspect
import time
from copy import deepcopy
from typing import NamedTuple

import ipywidgets as widgets
from IPython.display import HTML, display

from ganlib import algorithm, check, training
from ganlib.data import load
from ganlib.widgets import panel
from ganlib.widgets import stepper_page as page
from ganlib.widgets.stepper_run import Machine
from ganlib.widgets.watch import Source, edited

RUN = 100  # iterations of the long run
FRAME = 0.05  # seconds between two drawings while it runs, at least
SIGNATURES = {"update_D": ("D", "G", "x", "z", "optimizer_D"), "update_G": ("D", "G", "z", "optimizer_G")}


class WhatIf(NamedTuple):
    name: str
    question: str = ""  # to ask the class
    edits: dict = {}  # function -> (old, new) … of its source, as `edited` takes them
    k: int = 1  # batches that an iteration draws


WHAT_IFS = (
    WhatIf("Thuật toán 1, code để nguyên"),
    WhatIf("Quên detach", "Sau loss.backward() trong update_D, θ_g có gradient. Rồi θ_g có dịch đi không? "
        "Vậy quên detach là sai, hay chỉ phí công?", {"update_D": [("G(z).detach()", "G(z)")]}),
    WhatIf("Quên xoá gradient", "Từ vòng lặp thứ hai, gradient cũ còn đó khi backward() chạy. Bước đi của D "
        "khi ấy theo tổng của những gì? Còn của G?", {
        "update_D": [("optimizer_D.zero_grad()", None)], "update_G": [("optimizer_G.zero_grad()", None)]}),
    WhatIf("Đảo nhãn", "D được dạy ngược: ảnh thật là 0, ảnh giả là 1. D(x) và D(G(z)) sẽ đi về đâu? G còn "
        "đối đầu với D không?", {
        "update_D": [("loss_D(real_logit, fake_logit)", "loss_D(fake_logit, real_logit)")]}),
    WhatIf("eqn4 thay loss không bão hoà", "Chạy vài chục vòng, rồi so ‖∇θ_g‖ với bản gốc ở cùng vòng lặp: "
        "khi D bác bỏ mọi ảnh giả, loss nào còn kéo được G? (Bảng dùng Adam.)", {
        "update_G": [("loss_G(fake_logit)", "loss_G_minimax(fake_logit)")]}),
    WhatIf("G không đi", "Chỉ còn D học. loss_D sẽ đi về đâu? Ảnh giả có khá lên không?", {
        "update_G": [("optimizer_G.step()", None)]}),
    WhatIf("D đi năm bước", "G mới đi một bước thì D đã thấy bao nhiêu ảnh thật? Một epoch còn bao nhiêu "
        "bước của G?", {"iterations": [("range(k):", "range(5):  # 3. D đi năm bước, mỗi bước một batch mới"),
                                  ("(k * m)", "(5 * m)")]}, k=5),
    WhatIf("Đồng thời, như mã nguồn của các tác giả", "G đi một bước theo old_D, chưa học gì từ batch này, "
        "và trên chính những z ấy. Khác Thuật toán 1 ở đâu?", {"iterations": [
        ("z, x = noise(m), images.batch(next(batches))",
         "z, x, old_D = noise(m), images.batch(next(batches)), deepcopy(D)  # 1. giữ lại D lúc chưa đi"),
        ("            z = noise(m)", None),
        ("update_G(D, G, z, optimizer_G)", "update_G(old_D, G, z, optimizer_G)  # 5. xuống dốc, old_D")]}),
)  # fmt: skip
NAMES = {"deepcopy": deepcopy, "loss_G_minimax": algorithm.loss_G_minimax}  # that the edits use


def stepper(update_D=None, update_G=None, data="mnist", **settings):
    """Show the panel: Algorithm 1 line by line, in these functions; what is left out is ganlib's.

    update_D(D, G, x, z, optimizer_D), update_G(D, G, z, optimizer_G); data: "mnist" or "fashion"; settings:
    those of training.Settings. Where no widget shows: a picture, and the first iteration, recorded.
    Raises TypeError or ValueError (Vietnamese) where a function or a setting doesn't fit.
    """
    with panel.ALONE:
        shown = Panel(data, update_D, update_G, **settings)
        still, film = page.picture(shown.machine), page.recorded(shown.machine, WHAT_IFS[0])
    panel.show(shown.widget, *still)
    display(HTML(film))


def still():
    """The picture that stands where no widget shows, of ganlib's own functions: PNG bytes, for README."""
    return page.picture(Panel().machine)[0]


def fitting(name, function, minimax):
    """The function that steps, ganlib's for None. Raises TypeError where it can't be called or shown."""
    names = SIGNATURES[name]
    expected = f"một hàm viết bằng def {name}({', '.join(names)}) trong một ô hay một tệp .py"
    if function is None:
        return getattr(algorithm, name)
    check.require(inspect.isfunction(inspect.unwrap(function)), name, expected, function, TypeError)
    try:
        Source(function)
        options = {"loss_G": None} if minimax and name == "update_G" else {}
        inspect.signature(function).bind(*names, **options)
    except (TypeError, OSError, SyntaxError, AttributeError):
        got = f"{function.__name__}{inspect.signature(function)}"
        raise TypeError(f"{name} phải là {expected}; đã nhận {got}.") from None
    return function


class Panel:
    """What `stepper` shows: its `widget`, over a Machine for each what-if that was looked at."""

    def __init__(self, data="mnist", update_D=None, update_G=None, **settings):
        s = training.start("cpu", **settings).settings
        self.images, self.settings = load(data), settings
        training.enough(self.images, s)
        given = {"update_D": update_D, "update_G": update_G}
        self.functions = {n: fitting(n, f, s.loss == "minimax") for n, f in given.items()}
        self.functions["iterations"] = algorithm.iterations
        self.machines, self.notice, self.left, self.drawing, self.drawn = {}, "", 0, False, 0.0
        self.choose(0)
        self.runner, self.sheet = panel.Runner(self.run_on, self.stopped), widgets.HTML()
        do = self.command
        self.buttons = panel.buttons(
            self.click,
            ("back_iteration", "Lùi một vòng", "Về cuối vòng lặp trước", do("back_iteration")),
            ("back", "Lùi một dòng", "Về lúc dòng này chưa chạy", do("back")),
            ("step", "Dòng tiếp", "Chạy dòng tiếp theo", do("step")),
            ("half", "Hết nửa vòng", "Đến khi D đi đủ k bước, hoặc G đi một bước", do("finish_half")),
            ("iteration", "Hết vòng", "Đến dòng cuối của vòng lặp", do("finish_iteration")),
            ("run", "", f"Chạy {RUN} vòng lặp; bấm lần nữa để dừng", self.begin),
            ("restart", "Làm lại", "Bắt đầu lại từ seed", self.restart),
        )
        self.buttons["step"].button_style = "primary"
        self.slider = panel.choice(widgets.IntSlider, "dòng", 600, 0, min=0, max=1, readout=False)
        self.slider.observe(lambda _change: self.drawing or self.click(self.slide), "value")
        menu = [(one.name, i) for i, one in enumerate(WHAT_IFS) if self.applies(one)]
        self.menu = panel.choice(widgets.Dropdown, "Tình huống", 400, 0, options=menu)
        self.menu.observe(lambda _change: self.click(lambda: self.choose(self.menu.value)), "value")
        bars = widgets.HBox(list(self.buttons.values())), widgets.HBox([self.menu, self.slider])
        self.widget = widgets.VBox([widgets.HTML(page.STYLE), self.sheet, *bars])
        self.widget.add_class("ganlib-stepper")
        self.stopped()

    def applies(self, what_if):
        """Whether its edits fit the functions, and its steps of D the number of images."""
        try:
            for name, edits in what_if.edits.items():
                edited(self.functions[name], *edits)
        except (ValueError, SyntaxError):
            return False
        return what_if.k * self.machine.state.settings.m <= len(self.images)

    def choose(self, i):
        """To the Machine of a what-if, as it was left; to a new one, the first time."""
        if i not in self.machines:
            edits = {name: edited(self.functions[name], *e, **NAMES) for name, e in WHAT_IFS[i].edits.items()}
            self.machines[i] = Machine(self.images, self.functions, edits, **self.settings)
        self.machine = self.machines[i]

    def restart(self):
        del self.machines[self.menu.value]
        self.choose(self.menu.value)

    def draw(self):
        m, self.drawing, self.drawn = self.machine, True, time.monotonic()
        self.sheet.value = page.sheet(m, WHAT_IFS[self.menu.value], self.notice)
        lines = m.lines()
        self.slider.max, self.slider.value = len(lines) - 1, lines.index(m.at)
        self.drawing = False

    def slide(self):
        self.machine.at = self.machine.lines()[self.slider.value]

    def command(self, name):
        return lambda: getattr(self.machine, name)()

    def click(self, action):
        """Whatever is clicked, a run ends; and then the click does no more than that."""
        with panel.ALONE:
            if self.runner.running:
                self.notice = f"Đã dừng ở vòng lặp {self.machine.stop.iteration}. Bấm lại để đi tiếp từ đây."
                return self.runner.stop()
            self.notice = action() or ""
            self.draw()

    def begin(self):
        self.buttons["run"].description, self.buttons["run"].icon, self.left = "Dừng", "stop", RUN
        self.runner.start()

    def run_on(self):
        self.notice, self.left = self.machine.finish_iteration(), self.left - 1
        if time.monotonic() - self.drawn >= FRAME:
            self.draw()
        return self.left > 0 and not self.notice

    def stopped(self):
        self.buttons["run"].description, self.buttons["run"].icon = f"Chạy {RUN} vòng", ""
        self.draw()
