"""Algorithm 1 as a machine that stops after every line; no widgets in it.

From top to bottom: the stops, the situations ("what if"), what is told at a stop, the machine. Its updates,
`Stepper._update_D` and `_update_G`, are those of ganlib.algorithm with a `yield` after every line.
"""

import copy
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.func import functional_call

from ganlib.algorithm import LOSSES_G, Iteration, as_batch, iterations_per_epoch, loss_D, mean_D
from ganlib.data import load
from ganlib.state import Settings, start

KEPT = 6  # updates that can be taken back; a snapshot each: 20 MB with the default networks
AT_START = "Đây là chỗ xuất phát, không còn gì để lùi."
NOT_KEPT = (
    f"Máy chỉ giữ {KEPT} lần cập nhật gần nhất nên không lùi thêm được. Muốn xem lại, hãy làm lại từ đầu: "
    "cùng seed thì mọi con số lặp lại y hệt."
)


class Stop(NamedTuple):
    """A place to stand still: a line of Algorithm 1 has just been done."""

    key: str
    step: int  # which of the write-up's six it belongs to; 0: before the first
    who: str  # the network that this half trains: "D" or "G"
    title: str
    says: str  # what just happened, to be filled in with v = the View, s = its Settings


STOPS = {stop.key: stop for stop in (
    Stop("0", 0, "D", "Sẵn sàng", "Hai mạng vừa được khởi tạo từ seed {s.seed}, chưa mạng nào học gì."),
    Stop("1a", 1, "D", "Lấy m vector nhiễu z", "Đã xoá gradient cũ của cả hai mạng (về None). Vừa lấy z: "
         "{s.m} vector nhiễu, mỗi vector {s.latent_dim} số Gauss."),
    Stop("1b", 1, "D", "Lấy m ảnh thật x", "Vừa lấy x: {s.m} ảnh của tập huấn luyện mà epoch {v.epoch} chưa "
         "dùng đến."),
    Stop("2a", 2, "D", "Sinh ảnh giả G(z)", "G vừa vẽ {s.m} ảnh giả. Trong nửa vòng này chúng chỉ là dữ "
         "liệu: G(z) không mang đồ thị tính toán, nên gradient sẽ không chảy về θ_g."),
    Stop("2b", 2, "D", "Hỏi D về x và G(z)", "D trả lời (1 là thật, 0 là giả), trung bình: "
         "D(x) = {v.before.mean_x:.3f}, D(G(z)) = {v.before.mean_Gz:.3f}."),
    Stop("2c", 2, "D", "Tính loss_D", "loss_D = {v.loss:.4f}, bằng âm eqn3 (bỏ dấu ∇): leo dốc theo eqn3 là "
         "xuống dốc theo loss_D. Khi D trả lời 1/2 cho mọi ảnh, nó là 2 log 2 ≈ 1.386."),
    Stop("2d", 2, "D", "Tính gradient của loss_D", "Lan truyền ngược xong: ‖∇θ_d‖ = {v.D.norm}. Gradient của "
         "θ_g là {v.G.norm}, vì G(z) đã cắt khỏi G. Chưa trọng số nào dịch chuyển."),
    Stop("2e", 2, "D", "Cập nhật θ_d", "θ_d vừa dịch đi ‖Δθ_d‖ = {v.D.moved:.4g}; G giữ nguyên, ‖Δθ_g‖ = "
         "{v.G.moved:g}. Trên chính những ảnh ấy, D(x): {v.before.mean_x:.3f} → {v.after.mean_x:.3f}, "
         "D(G(z)): {v.before.mean_Gz:.3f} → {v.after.mean_Gz:.3f}. Bước 3: D đã đi {v.d_step}/{s.k} bước."),
    Stop("4", 4, "G", "Lấy m vector nhiễu z mới", "Đã xoá gradient cũ của cả hai mạng (về None). Vừa lấy "
         "{s.m} vector nhiễu mới, không dùng lại những z mà D vừa học."),
    Stop("5a", 5, "G", "Hỏi D về G(z), tính loss_G", "D(G(z)) trung bình = {v.before.mean_Gz:.3f}, loss_G = "
         "{v.loss:.4f}. Lần này G(z) mang đồ thị tính toán: gradient sẽ về được đến θ_g."),
    Stop("5b", 5, "G", "Tính gradient của loss_G", "Gradient đã xuyên qua D về đến G: ‖∇θ_g‖ = {v.G.norm}. "
         "Của θ_d là {v.D.norm}: D chỉ cho gradient đi qua. Chưa trọng số nào dịch chuyển."),
    Stop("5c", 5, "G", "Cập nhật θ_g", "θ_g vừa dịch đi ‖Δθ_g‖ = {v.G.moved:.4g}; D giữ nguyên, ‖Δθ_d‖ = "
         "{v.D.moved:g}. Trên chính những z ấy, D(G(z)): {v.before.mean_Gz:.3f} → {v.after.mean_Gz:.3f}. "
         "Bước 6: xong vòng lặp {v.iteration}, lặp lại từ bước 1."),
)}  # fmt: skip
LAST = ("2e", "5c")  # the stops that end an update
COUNT = {"D": 7, "G": 4}  # the stops of an update


class Situation(NamedTuple):
    """A "what if": Algorithm 1 with something changed."""

    name: str
    question: str = ""  # to ask the class
    says: dict = {}  # in place of its stops' sentences
    settings: dict = {}  # that hold in it, whatever was chosen
    detach: bool = True  # G(z) is only data to D's update
    clear: bool = True  # G's gradient is cleared before every update
    move_G: bool = True
    loss_D: Callable = loss_D


_LEAK = {
    "2a": "Quên detach: G(z) mang theo đồ thị tính toán của G, lan truyền ngược sẽ không dừng ở ảnh giả.",
    "2d": "‖∇θ_d‖ = {v.D.norm}, y như khi có detach. Nhưng θ_g, đáng lẽ None, cũng có gradient: ‖∇θ_g‖ = "
    "{v.G.norm}. Phí công tính cho {v.G.weights:,} trọng số: optimizer_D không giữ θ_g nên không dùng đến.",
}
SITUATIONS = {
    "normal": Situation("Thuật toán 1 nguyên bản"),
    "strong_D": Situation("D quá mạnh", "Chỉ vài vòng lặp là loss_D gần 0. G còn học được không? Hãy so "
        "‖∇θ_g‖ ở 5b giữa loss bão hoà và loss không bão hoà.", settings={"k": 5, "lr_D": 0.001}),
    "frozen_G": Situation("G đứng yên", "Chỉ còn D học. loss_D sẽ đi về đâu? Ảnh giả có đẹp lên không?", {
        "5c": "optimizer_G không bước: ‖∇θ_g‖ = {v.G.norm} mà ‖Δθ_g‖ = {v.G.moved:g}, D(G(z)) vẫn là "
        "{v.after.mean_Gz:.3f}. Bước 6: xong vòng lặp {v.iteration}, lặp lại từ bước 1."}, move_G=False),
    "no_detach": Situation("Quên detach", "Ở 2d, θ_g có gradient. Đến 2e, θ_g có dịch đi không? Vậy quên "
        "detach là sai, hay chỉ phí công?", _LEAK, detach=False),
    "no_clear": Situation("Quên detach, quên xoá", "Gradient mà nửa vòng của D để lại kéo G về phía nào? Vì "
        "sao lúc này quên detach thì sai thật?", _LEAK | {
        "1a": "Vừa lấy z: {s.m} vector nhiễu. Đã xoá gradient của θ_d, quên xoá của θ_g: {v.G.norm}.",
        "4": "Vừa lấy {s.m} vector nhiễu mới, nhưng quên xoá gradient của θ_g: đáng lẽ None mà vẫn còn "
        "‖∇θ_g‖ = {v.G.norm} từ trước.",
        "5b": "Gradient của loss_G cộng chồng lên phần còn sót: ‖∇θ_g‖ = {v.G.norm}. Phần sót từ nửa vòng "
        "của D kéo G về phía giúp D phân biệt."}, detach=False, clear=False),
    "swapped": Situation("Đảo nhãn", "D được dạy: ảnh thật là 0, ảnh giả là 1. D(x) và D(G(z)) sẽ đi về đâu? "
        "Muốn G lại đối đầu với D thì loss_G phải đổi thế nào?", {
        "2c": "Nhãn đã đảo, thật 0, giả 1: loss_D = {v.loss:.4f}, nhỏ khi D(x) gần 0 và D(G(z)) gần 1."},
        loss_D=lambda real_logit, fake_logit: loss_D(fake_logit, real_logit)),
}  # fmt: skip


class Held(NamedTuple):
    """A tensor at hand."""

    name: str
    shape: tuple
    low: float
    high: float
    graph: bool  # it carries a computation graph: gradients can flow back from it
    values: torch.Tensor  # without the graph


class Network(NamedTuple):
    weights: int  # how many
    gradient: float | None  # its length; None: no weight has one
    moved: float  # ‖Δθ‖ in this update; exactly 0 where nothing moved

    @property
    def norm(self):
        return "None" if self.gradient is None else f"{self.gradient:.4g}"


class Answers(NamedTuple):
    """D on the images of this update, asked in eval mode so that two askings compare."""

    loss: float  # of the network that this half trains
    Gz: torch.Tensor  # (m, 1, 28, 28): the generated images
    D_Gz: torch.Tensor  # (m,), each in (0, 1)
    mean_Gz: float
    D_x: torch.Tensor | None = None  # (m,); None in G's half, which uses no real image
    mean_x: float | None = None


@dataclass(frozen=True, eq=False)
class View:
    """All that can be told at a stop."""

    stop: Stop
    situation: Situation
    settings: Settings
    iteration: int  # from 1; 0 before the first
    epoch: int  # from 1
    d_step: int  # which of D's k steps, from 1; k in G's half
    held: tuple  # of Held, in the order in which they were made
    D: Network
    G: Network
    loss: float | None  # as it is trained on (with Dropout); None before it is computed
    before: Answers | None  # None before D is asked
    after: Answers | None  # on the same z and x, after the move; None before it
    history: tuple  # of algorithm.Iteration, in floats, one for each finished iteration
    notice: str  # why the last command did nothing; "" if it did

    @property
    def sentence(self):
        """What just happened, in Vietnamese, with this run's numbers."""
        numbers = self.loss or 0.0, self.D.moved, self.G.moved, *(self.history[-1] if self.history else ())
        if not all(map(math.isfinite, numbers)):
            return "Đã có số NaN hoặc vô hạn, thường vì tốc độ học quá lớn. Hãy giảm tốc độ học rồi làm lại."
        says = self.situation.says.get(self.stop.key, self.stop.says)
        return says.format(v=self, s=self.settings)


def _held(name, tensor):
    values = tensor.detach()
    return Held(name, tuple(values.shape), *map(float, values.aminmax()), tensor.requires_grad, values)


def _network(network, was):
    weights = list(network.parameters())
    gradients = [p.grad.norm() for p in weights if p.grad is not None]
    moved = torch.stack([(p - old).norm() for p, old in zip(weights, was.values(), strict=True)]).norm()
    length = torch.stack(gradients).norm().item() if gradients else None
    return Network(sum(p.numel() for p in weights), length, moved.item())


class _Mark(NamedTuple):
    """The beginning of an update, with all it takes to do it again."""

    turn: int  # 0 … k − 1: an update of D, k: of G
    state: dict  # as State.state_dict gives it
    gradients: list  # of G, where they are not cleared
    order: torch.Tensor
    measured: Iteration  # of D's last update


class Stepper:
    """A run of Algorithm 1 moved by hand: in "normal", bit for bit the run of algorithm.steps in fp32.

    data: "mnist", "fashion", or images as `steps` takes them. settings: those of Settings. What cannot be
    (ValueError, TypeError, data.DataError; Vietnamese) is refused before anything has changed.
    """

    def __init__(self, data="mnist", situation="normal", device="cpu", **settings):
        self.device, self.images, self.situation, self.chosen = device, None, None, {}
        self.restart(data, situation, **settings)

    def restart(self, data=None, situation=None, **settings):
        """Begin anew from the seed; what is not named stays as it was chosen."""
        chosen, images, now = self.chosen | settings, self.images, SITUATIONS.get(situation, self.situation)
        if situation not in (None, *SITUATIONS):
            known = ", ".join(map(repr, SITUATIONS))
            raise ValueError(f"Không có tình huống {situation!r}. Hãy chọn một trong: {known}.")
        state = start(self.device, "fp32", **chosen | now.settings)
        if isinstance(data, str):
            images = images if data == getattr(images, "name", None) else load(data)
        elif data is not None:
            images = data
        self.per_epoch = iterations_per_epoch(images, state.settings.k, state.settings.m)
        self.chosen, self.situation, self.state, self.images = chosen, now, state, images
        self.pixels = getattr(images, "pixels", images).to(state.device)
        self.asked = copy.deepcopy(state.D).eval()  # D itself never leaves train mode
        self.loss_D, self.loss_G = now.loss_D, LOSSES_G[state.settings.loss]
        self.order, self.measured, self.history = None, None, []
        self.stop, self.marks = STOPS["0"], deque(maxlen=KEPT)
        self._begin(0)

    # ------------------------------------------------------------------------- Algorithm 1, line after line

    def _update_D(self):
        """Steps 1 and 2: algorithm.update_D, and before it what `steps` does to sample."""
        s, held, k, m = self.state, self.held, self.state.settings.k, self.state.settings.m
        first = (s.iterations % self.per_epoch * k + self.turn) * m  # of the batch, in the epoch's order
        if first == 0:
            self.order = torch.randperm(len(self.pixels)).to(s.device)
        held["z"] = s.noise()
        yield "1a"
        held["x"] = x = as_batch(self.pixels[self.order[first : first + m]])
        yield "1b"
        with torch.set_grad_enabled(not self.situation.detach):
            held["G(z)"] = fake = s.G(held["z"])
        yield "2a"
        held["logit của x"], held["logit của G(z)"] = real_logit, fake_logit = s.D(x), s.D(fake)
        yield "2b"
        held["loss_D"] = loss = self.loss_D(real_logit, fake_logit)
        yield "2c"
        loss.backward()
        yield "2d"
        s.optimizer_D.step()
        self.measured = Iteration(loss.item(), None, mean_D(real_logit).item(), mean_D(fake_logit).item())
        yield "2e"

    def _update_G(self):
        """Steps 4 and 5: algorithm.update_G, and after it what `steps` does to end an iteration."""
        s, held = self.state, self.held
        held["z"] = s.noise()
        yield "4"
        held["G(z)"] = fake = s.G(held["z"])
        held["logit của G(z)"] = fake_logit = s.D(fake)
        held["loss_G"] = loss = self.loss_G(fake_logit)
        yield "5a"
        loss.backward(inputs=list(s.G.parameters()))
        yield "5b"
        if self.situation.move_G:
            s.optimizer_G.step()
        s.average()
        s.iterations += 1
        self.history.append(self.measured._replace(loss_G=loss.item()))
        yield "5c"

    # ---------------------------------------------------------------------------------------------- commands

    def step(self):
        """To the next stop."""
        if self.stop.key in LAST:
            self._begin((self.turn + 1) % (self.state.settings.k + 1))
        try:
            self._advance()
        except BaseException:  # interrupted within a line: back to the stop before it
            self._go_to(self.at)
            raise

    def finish_half(self):
        """To the end of D's k updates, or of G's one."""
        self.step()
        while self.stop.key not in LAST or self.turn < self.state.settings.k - 1:
            self.step()

    def finish_iteration(self):
        """To the next end of an iteration, stop 5c."""
        self.finish_half()
        if self.stop.key != "5c":
            self.finish_half()

    def run(self, n):
        """Finish n iterations, yielding the Iteration after each: whoever loops may stop at any time."""
        for _ in range(n):
            self.finish_iteration()
            yield self.history[-1]

    def back(self):
        """To the stop before this one; False, and a notice, where nothing before it is kept."""
        return self._go_to(self.at - 1)

    @torch.no_grad()
    def view(self):
        """The View at this stop. Looking draws no random number and changes nothing."""
        s, stop, held, weights = self.state, self.stop, self.held, self.marks[-1].state
        before = self._ask(weights["D"], held["G(z)"].detach()) if "logit của G(z)" in held else None
        after = self._ask(s.D.state_dict(), s.G(held["z"])) if stop.key in LAST else None
        done = s.iterations - (stop.key == "5c")
        place = done + (stop.step > 0), done // self.per_epoch + 1, min(self.turn + 1, s.settings.k)
        tensors = tuple(_held(name, tensor) for name, tensor in held.items())
        networks = _network(s.D, weights["D"]), _network(s.G, weights["G"])
        loss = held["loss_" + stop.who].item() if "loss_" + stop.who in held else None
        told = *networks, loss, before, after, tuple(self.history), self.notice
        return View(stop, self.situation, s.settings, *place, tensors, *told)

    @torch.no_grad()
    def _ask(self, weights, fake):
        images = [fake, self.held["x"]] if "x" in self.held else [fake]
        logits = [functional_call(self.asked, weights, (image,)) for image in images]
        loss = self.loss_D(*reversed(logits)) if "x" in self.held else self.loss_G(*logits)
        answers = [value for logit in logits for value in (torch.sigmoid(logit), float(mean_D(logit)))]
        return Answers(float(loss), fake, *answers)

    # ----------------------------------------------------------------------------------- forwards, backwards

    @property
    def turn(self):
        return self.marks[-1].turn

    def _begin(self, turn):
        """Begin an update: clear the gradients, keep a snapshot."""
        s = self.state
        s.D.zero_grad()
        if self.situation.clear:
            s.G.zero_grad()
        gradients = copy.deepcopy([p.grad for p in s.G.parameters()])
        self.marks.append(_Mark(turn, s.state_dict(), gradients, self.order, self.measured))
        self._enter()

    def _enter(self):
        self.at, self.held, self.notice = 0, {}, ""
        self.lines = self._update_D() if self.turn < self.state.settings.k else self._update_G()

    def _advance(self):
        with self.state.own_randomness():
            key = next(self.lines)
        self.at, self.stop, self.notice = self.at + 1, STOPS[key], ""

    def _go_to(self, at):
        """To the stop `at` of this update, 0 being the last of the update before: again, from a snapshot."""
        if at == 0 and len(self.marks) > 1:
            self.marks.pop()
            at = COUNT["D" if self.turn < self.state.settings.k else "G"]
        mark, s = self.marks[-1], self.state
        fresh = mark.turn == mark.state["iterations"] == 0
        if at < (0 if fresh else 1):
            self.notice = AT_START if fresh else NOT_KEPT
            return False
        s.load_state_dict(mark.state)
        s.D.zero_grad()
        for p, gradient in zip(s.G.parameters(), copy.deepcopy(mark.gradients), strict=True):
            p.grad = gradient
        self.order, self.measured, self.stop = mark.order, mark.measured, STOPS["0"]
        del self.history[s.iterations :]
        self._enter()
        for _ in range(at):
            self._advance()
        return True
