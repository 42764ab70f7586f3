"""A run of Algorithm 1 that is watched line by line and can be gone back over; no widgets in it.

An iteration runs once, watched, and is kept as a list of stops: stepping moves an index.
"""

import copy
import re
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
    was: float | None  # the norm of its gradient before the line; None: it has none
    gradient: float | None  # and after it
    step: float  # how far the line moved θ: exactly 0 where it did not
    moved: float  # how far θ is from where it was when the update began
    fresh: tuple  # before and after the line: was its gradient computed in this update, and not yet used?


class Answers(NamedTuple):
    """D on the batches at hand, without Dropout, so that two askings compare."""

    x: torch.Tensor  # uint8 (8, 28, 28): the first images of the batch
    fake: torch.Tensor
    D_x: list  # of these 8
    D_Gz: list
    mean_x: float  # of the whole batch
    mean_Gz: float


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
    before: Answers | None  # when the update began
    now: Answers | None
    returned: tuple  # from the end of an update on: what it returned, as in `held`
    error: BaseException | None


class Watched:
    """A network, and what was last seen of it."""

    def __init__(self, network):
        self.network, self.gradient, self.fresh = network, None, False
        self.weights = self.first = self.copy()

    def copy(self):
        return [p.detach().clone() for p in self.network.parameters()]

    def begin(self):
        self.first, self.fresh = self.weights, False

    def look(self):
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        was, fresh, step = self.gradient, self.fresh, 0.0
        self.gradient = norm(gradients) if gradients else None
        if self.gradient != was:
            self.fresh = bool(self.gradient)
        if not all(map(torch.equal, self.network.parameters(), self.weights)):
            weights, self.weights, self.fresh = self.weights, self.copy(), False
            step = distance(self.weights, weights)
        return Network(was, self.gradient, step, distance(self.weights, self.first), (fresh, self.fresh))


def norm(tensors):
    return torch.stack([tensor.norm() for tensor in tensors]).norm().item()


def distance(ours, theirs):
    return 0.0 if ours is theirs else norm([a - b for a, b in zip(ours, theirs, strict=True)])


def hold(value):
    """A Tensor; of what is neither a tensor nor a float the name of its type."""
    if isinstance(value, torch.Tensor) and value.numel() and not value.is_complex():
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
        steps = edited(training.steps, ("algorithm.iterations(", "iterations("), iterations=run["iterations"])
        self.steps = steps(self.state, images, run["update_D"], run["update_G"])
        self.networks = {"D": Watched(self.state.D), "G": Watched(self.state.G)}
        self.asked = copy.deepcopy(self.state.D).eval()  # D itself never leaves train mode
        self.stops, self.at, self.room, self.history, self.over = [], 0, LINES, [], False
        self.half, self.turn, self.outer, self.held = "D", 0, {}, {}
        self.before, self.now, self.returned = None, None, ()
        self.note("iterations", 0, {}, [])
        self.iterate()

    # ------------------------------------------------------------------------------------ one iteration

    def iterate(self):
        """Run the next iteration, watched. A function that fails ends the run there."""
        self.turn, self.room = 0, LINES
        try:
            losses = map(hold, watch(lambda: next(self.steps), self.sources, self.look))
            self.history.append([getattr(loss, "low", float("nan")) for loss in losses])
        except (Exception, KeyboardInterrupt) as error:
            self.over, left, error = True, place(error, self.sources), error.with_traceback(None)
            if left:
                self.look(*left, (), error)
            else:  # what the updates returned was refused
                self.stops[-1] = self.stops[-1]._replace(error=error)
        while self.stops[0].iteration <= self.stops[-1].iteration - KEPT:
            self.at -= 1
            del self.stops[0]

    @torch.no_grad()
    def look(self, name, line, variables, ended, error=None):
        """As `watch` calls it: note what stands now. Draws no random number, changes nothing."""
        if self.room == 0 and not error:
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
            self.returned = (hold(ended[0]),)
        held = {key: hold(value) for key, value in variables.items()}
        was, self.held[name] = self.held.get(name, {}), held
        text = self.sources[name].text(line)
        head = name == "iterations" and text.startswith(("while", "for")) and not self.step_of(line)
        if line and not head:  # the head of a loop that is no step of the write-up is passed
            self.note(name, line, held, [key for key in held if held[key] != was.get(key)], error)

    def begin(self, half):
        """Of a half, or an update in it: from here on it is asked who has moved, and what returned."""
        self.half, self.before, self.returned = half, self.now, ()
        for network in self.networks.values():
            network.begin()

    def note(self, name, line, held, new, error=None):
        networks = {N: network.look() for N, network in self.networks.items()}
        drawn = name == "iterations" and {"x", "z"} & set(new)
        if drawn or any(network.step for network in networks.values()):
            self.now = self.ask()
        place = len(self.history) + 1, name, line, self.half, self.turn
        self.stops.append(Stop(*place, networks, held, new, self.before, self.now, self.returned, error))
        self.room -= 1

    def step_of(self, line):
        """The write-up's step in a line of `iterations`, as its comment says: "1" … "6", or ""."""
        found = re.search(r"  # (\d)\. ", self.sources["iterations"].lines[line - 1]) if line else None
        return found[1] if found else ""

    def ask(self):
        x, fake = self.outer["x"], self.state.G(self.outer["z"])
        logits = functional_call(self.asked, self.state.D.state_dict(), (torch.cat([x, fake.clamp(-1, 1)]),))
        answers = torch.sigmoid(logits).split([len(x), len(fake)])
        images = [to_pixels(batch[:SHOWN].nan_to_num(0)).flatten(0, 1) for batch in (x, fake)]
        return Answers(*images, *(a[:SHOWN].tolist() for a in answers), *(a.mean().item() for a in answers))

    # ------------------------------------------------------ moving: "", or in Vietnamese why nothing moved

    @property
    def stop(self):
        return self.stops[self.at]

    def lines(self):
        """Which of the stops are of the iteration at hand."""
        return [i for i, stop in enumerate(self.stops) if stop.iteration == self.stop.iteration]

    def step(self):
        """One line on."""
        if self.at + 1 == len(self.stops):
            if self.over:
                return OVER
            self.iterate()
        self.at += 1
        return ""

    def back(self):
        """One line back, over earlier iterations too."""
        if self.at == 0:
            return NOT_KEPT if self.stop.line else AT_START
        self.at -= 1
        return ""

    def finish_half(self):
        """To the end of D's k steps, or of G's one."""
        notice = self.step()
        while self.same("iteration", "half"):
            self.at += 1
        return notice

    def finish_iteration(self):
        """To its last line; from there, to the next one's."""
        notice = self.step()
        while self.same("iteration"):
            self.at += 1
        return notice

    def same(self, *fields):
        """Whether the next stop is there, and the same in these."""
        after = self.stops[self.at + 1 : self.at + 2]
        return bool(after) and all(getattr(after[0], f) == getattr(self.stop, f) for f in fields)

    def back_iteration(self):
        """To the last line of the iteration before; in the first that is kept, to its beginning."""
        iteration, notice = self.stop.iteration, self.back()
        while self.at and self.stop.iteration == iteration:
            self.at -= 1
        return notice
