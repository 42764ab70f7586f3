"""The panel that steps through Algorithm 1 line by line, in the reader's own functions (notebook 03)."""

from copy import deepcopy
from typing import NamedTuple

import ipywidgets as widgets
from IPython.display import HTML, display

from ganlib import algorithm, check
from ganlib.data import load
from ganlib.widgets import panel
from ganlib.widgets import stepper_page as page
from ganlib.widgets.stepper_run import Machine
from ganlib.widgets.watch import Source, edited

RUN = 100  # iterations of the long run


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
                                  ("(k * m)", "(5 * m)")]}, 5),
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


def watchable(name, function):
    """The function, ganlib's for None. Raises TypeError (Vietnamese) where its lines can't be shown."""
    try:
        Source(function or getattr(algorithm, name))
    except (TypeError, OSError, SyntaxError, AttributeError):
        expected = f"một hàm viết bằng def {name}(…) trong một ô hay một tệp .py"
        raise TypeError(f"{name} phải là {expected}; đã nhận {check.brief(function)}.") from None
    return function or getattr(algorithm, name)


class Panel(panel.Running):
    """What `stepper` shows: its `widget`, over a Machine for each what-if that was looked at."""

    IDLE = f"Chạy {RUN} vòng", ""

    def __init__(self, data="mnist", update_D=None, update_G=None, **settings):
        given = {"update_D": update_D, "update_G": update_G, "iterations": None}
        self.functions = {name: watchable(name, function) for name, function in given.items()}
        self.images, self.settings, self.machines, self.notice = load(data), settings, {}, ""
        self.edits = {0: {}}
        self.choose(0)
        self.edits = dict(self.fitting())
        do = self.command
        super().__init__(
            ("back_iteration", "Lùi một vòng", "Về cuối vòng lặp trước", do("back_iteration")),
            ("back", "Lùi một dòng", "Về lúc dòng này chưa chạy", do("back")),
            ("step", "Dòng tiếp", "Chạy dòng tiếp theo", do("step")),
            ("half", "Hết nửa vòng", "Đến khi D đi đủ k bước, hoặc G đi một bước", do("finish_half")),
            ("iteration", "Hết vòng", "Đến dòng cuối của vòng lặp", do("finish_iteration")),
            ("run", "", f"Chạy {RUN} vòng lặp; bấm lần nữa để dừng", self.begin),
            ("restart", "Làm lại", "Bắt đầu lại từ seed", self.restart),
        )
        self.buttons["step"].button_style = "primary"
        menu = [(WHAT_IFS[i].name, i) for i in self.edits]
        self.menu = panel.choice(widgets.Dropdown, "Tình huống", 400, 0, options=menu)
        self.menu.observe(lambda _change: self.click(lambda: self.choose(self.menu.value)), "value")
        self.slider = panel.choice(widgets.IntSlider, "dòng", 600, 0, min=0, max=1, readout=False)
        self.slider.observe(lambda _change: self.drawing or self.click(self.slide), "value")
        self.sheet = widgets.HTML()
        bars = widgets.HBox(list(self.buttons.values())), widgets.HBox([self.menu, self.slider])
        self.widget = widgets.VBox([widgets.HTML(page.STYLE), self.sheet, *bars])
        self.widget.add_class("ganlib-stepper")
        self.draw()

    def fitting(self):
        """(i, the edited functions) of each what-if that fits the functions and the number of images."""
        for i, what_if in enumerate(WHAT_IFS):
            if what_if.k * self.machine.state.settings.m > len(self.images):
                continue  # an epoch would have no iteration
            try:
                yield i, {n: edited(self.functions[n], *e, **NAMES) for n, e in what_if.edits.items()}
            except (ValueError, SyntaxError):
                pass

    def choose(self, i):
        """To the Machine of a what-if, as it was left; to a new one, the first time."""
        if i not in self.machines:
            self.machines[i] = Machine(self.images, self.functions, self.edits[i], **self.settings)
        self.machine = self.machines[i]

    def restart(self):
        del self.machines[self.menu.value]
        self.choose(self.menu.value)

    def command(self, name):
        return lambda: getattr(self.machine, name)()

    def slide(self):
        self.machine.at = self.slider.value

    def draw(self):
        self.drawing = True  # to move the slider is no click now
        self.sheet.value = page.sheet(self.machine, WHAT_IFS[self.menu.value], self.notice)
        self.slider.max, self.slider.value = len(self.machine.lines) - 1, self.machine.at
        self.drawing = False

    def click(self, action):
        """Whatever is clicked, a run ends; and then the click does no more than that."""
        with panel.ALONE:
            if self.task:
                self.stop()
                self.notice = f"Đã dừng ở vòng lặp {self.machine.stop.iteration}. Bấm lại để đi tiếp từ đây."
            else:
                self.notice = action() or ""
            self.draw()

    def begin(self):
        self.left = RUN
        super().begin()

    def step(self):
        self.notice, self.left = self.machine.finish_iteration(), self.left - 1
        self.draw()
        return self.left > 0 and not self.notice
