"""A run of Algorithm 1 that is watched line by line and can be gone back over; no widgets in it.

An iteration runs once, watched, and is kept as a list of stops: stepping moves an index.
"""

import copy
import re
from collections import deque
from typing import NamedTuple

import torch
from torch.func import functional_call

from ganlib import algorithm, training
from ganlib.data import to_pixels
from ganlib.widgets.watch import Source, edited, listing, place, watch

KEPT = 100  # iterations that can be gone back over, about 70 kB each
LINES = 400  # stops of one iteration, at most: a function may run its lines very often
SHOWN = 8  # images of each batch
AT_START = "Đây là chỗ xuất phát, không còn gì để lùi."
NOT_KEPT = f"Bảng chỉ giữ {KEPT} vòng lặp gần nhất. Bấm Làm lại để xem từ đầu: mọi con số sẽ lặp lại y hệt."
OVER = "Lần chạy đã dừng ở lỗi này. Hãy sửa hàm, rồi chạy lại ô của hàm và ô có bảng này."


class Tensor(NamedTuple):
    """What is kept of a variable."""

    shape: tuple | None  # None: a float of Python
    low: float
    high: float
    graph: bool  # it carries a computation graph


class Network(NamedTuple):
    theta: str
    begun: float | None  # the norm of its gradient when the update began; None: it has none
    was: float | None  # before the line
    gradient: float | None  # after it
    step: float  # how far the line moved θ: exactly 0 where it did not
    moved: float  # how far θ is from where it was when the update began


class Stop(NamedTuple):
    """What stood after a line had been done."""

    iteration: int  # from 1
    name: str  # of the function: "iterations", "update_D" or "update_G"
    line: int  # of its source, from 1; 0: none yet
    half: str  # the network whose turn it is: "D" or "G"
    turn: int  # D's step, from 1
    networks: dict  # "D", "G" -> Network
    held: dict  # the variables at hand: name -> Tensor, or the name of another type
    new: list  # names of those that the line made or changed
    before: dict | None  # D's answers (see `ask`) when the update began
    now: dict | None
    returned: Tensor | str | None  # from the end of an update on: what it returned, as in `held`
    error: BaseException | None

    @property
    def mine(self):
        return self.networks[self.half]

    @property
    def other(self):
        return self.networks["G" if self.half == "D" else "D"]


class Watched:
    """A network, and what was last seen of it."""

    def __init__(self, network, theta):
        self.network, self.theta, self.gradient, self.begun = network, theta, None, None
        self.weights = self.first = self.copy()

    def copy(self):
        return [p.detach().clone() for p in self.network.parameters()]

    def begin(self):
        self.first, self.begun = self.weights, self.gradient

    def look(self):
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        was, weights = self.gradient, self.weights
        self.gradient = norm(gradients) if gradients else None
        if not all(map(torch.equal, self.network.parameters(), weights)):
            self.weights = self.copy()
        step, moved = distance(self.weights, weights), distance(self.weights, self.first)
        return Network(self.theta, self.begun, was, self.gradient, step, moved)


def norm(tensors):
    return torch.stack([tensor.norm() for tensor in tensors]).norm().item()


def distance(ours, theirs):
    return 0.0 if ours is theirs else norm([a - b for a, b in zip(ours, theirs, strict=True)])


def hold(value):
    """A Tensor; of what is neither a tensor nor a float the name of its type."""
    if isinstance(value, torch.Tensor) and value.numel():
        low, high = value.detach().float().aminmax()
        return Tensor(tuple(value.shape), low.item(), high.item(), value.requires_grad)
    return Tensor(None, value, value, False) if isinstance(value, float) else type(value).__name__


class Machine:
    """A run of `training.steps` in fp32, bit for bit, one watched iteration after another.

    functions: "iterations", "update_D", "update_G" -> function; edits: those that run in their place.
    """

    def __init__(self, images, functions, edits, **settings):
        run = functions | edits
        self.images, self.own = images, [n for n, f in functions.items() if f is not getattr(algorithm, n)]
        self.sources = {name: Source(function) for name, function in run.items()}
        self.listing = {n: list(listing(self.sources[n], Source(f))) for n, f in functions.items()}
        self.state = training.start("cpu", fast=False, **settings)
        training.enough(images, self.state.settings)
        steps = edited(training.steps, ("algorithm.iterations(", "iterations("), iterations=run["iterations"])
        self.steps = steps(self.state, images, run["update_D"], run["update_G"])
        self.networks = {"D": Watched(self.state.D, "θ_d"), "G": Watched(self.state.G, "θ_g")}
        self.asked = copy.deepcopy(self.state.D).eval()  # D itself never leaves train mode
        self.history, self.over = [], False  # (loss_D, loss_G) of each iteration; has a function failed?
        self.half, self.turn, self.outer, self.held = "D", 0, {}, {}
        self.before = self.now = self.returned = None
        self.kept, self.page, self.at = deque([[]], KEPT), 0, 0  # stops of each iteration; where we are
        self.note("iterations", 0, {}, [])
        self.iterate()

    # ------------------------------------------------------------------------------------ one iteration

    def iterate(self):
        """Run the next iteration, watched. A function that fails ends the run there."""
        self.turn = 0
        try:
            losses = watch(lambda: next(self.steps), self.sources, self.look)
            self.history.append([loss.float().mean().item() for loss in losses])
        except (Exception, KeyboardInterrupt) as error:
            self.over, left, error = True, place(error, self.sources), error.with_traceback(None)
            if left:
                self.look(*left, (), error)
            else:  # what the updates returned was refused
                self.kept[-1][-1] = self.kept[-1][-1]._replace(error=error)

    @torch.no_grad()
    def look(self, name, line, variables, ended, error=None):
        """As `watch` calls it: note what stands now. Draws no random number, changes nothing."""
        if len(self.kept[-1]) > LINES and not error:
            return
        if name == "iterations":
            self.outer = dict(variables)
            half = "G" if self.step_of(line) > "3" or self.half == "G" and line else "D"
            if half != self.half:
                self.begin(half)
        elif not line:
            self.begin(name[-1])
            self.turn += name == "update_D"
        elif ended:
            self.returned = hold(*ended)
        held = {key: hold(value) for key, value in variables.items()}
        was, self.held[name] = self.held.get(name, {}), held
        text = self.sources[name].text(line)
        head = name == "iterations" and text.startswith(("while", "for")) and not self.step_of(line)
        if line and not head:  # the head of a loop that is no step of the write-up is passed
            self.note(name, line, held, [key for key in held if held[key] != was.get(key)], error)

    def begin(self, half):
        """Of a half, or an update in it: from here on it is asked who has moved, and what returned."""
        self.half, self.before, self.returned = half, self.now, None
        for network in self.networks.values():
            network.begin()

    def note(self, name, line, held, new, error=None):
        networks = {N: network.look() for N, network in self.networks.items()}
        drawn = name == "iterations" and {"x", "z"} & set(new)
        if drawn or any(network.step for network in networks.values()):
            self.now = self.ask()
        place = len(self.history) + 1, name, line, self.half, self.turn
        stop = Stop(*place, networks, held, new, self.before, self.now, self.returned, error)
        self.kept[-1].append(stop)

    def step_of(self, line):
        """The write-up's step in a line of `iterations`, as its comment says: "1" … "6", or ""."""
        found = re.search(r"  # (\d)\. ", self.sources["iterations"].lines[line - 1]) if line else None
        return found[1] if found else ""

    def ask(self):
        """Of "x" and "G": the first images; D's answers (m,) without Dropout, so that two askings compare."""
        x, fake = self.outer["x"], self.state.G(self.outer["z"])
        logits = functional_call(self.asked, self.state.D.state_dict(), (torch.cat([x, fake.clamp(-1, 1)]),))
        answers = torch.sigmoid(logits).split([len(x), len(fake)])
        images = [to_pixels(batch[:SHOWN].nan_to_num(0)).flatten(0, 1) for batch in (x, fake)]
        return {"x": (images[0], answers[0]), "G": (images[1], answers[1])}

    # ------------------------------------------------------ moving: "", or in Vietnamese why nothing moved

    @property
    def lines(self):
        """The stops of the iteration at hand."""
        return self.kept[self.page]

    @property
    def stop(self):
        return self.lines[self.at]

    def step(self):
        """One line on."""
        if self.at + 1 < len(self.lines):
            self.at += 1
            return ""
        if self.page + 1 == len(self.kept):
            if self.over:
                return OVER
            self.kept.append([])
            self.iterate()
            self.page = len(self.kept) - 2  # the first one kept may have gone
        self.page, self.at = self.page + 1, 0
        return ""

    def back(self):
        """One line back, over earlier iterations too."""
        if self.at:
            self.at -= 1
        elif self.page:
            self.page -= 1
            self.at = len(self.lines) - 1
        else:
            return NOT_KEPT if self.stop.line else AT_START
        return ""

    def finish_half(self):
        """To the end of D's k steps, or of G's one."""
        notice = self.step()
        while self.at + 1 < len(self.lines) and self.lines[self.at + 1].half == self.stop.half:
            self.at += 1
        return notice

    def finish_iteration(self):
        """To its last line; from there, to the next one's."""
        notice = self.step()
        self.at = len(self.lines) - 1
        return notice

    def back_iteration(self):
        """To the last line of the iteration before; in the first that is kept, to its beginning."""
        inside, self.at = self.at > 0, 0
        return "" if inside and not self.page else self.back()
