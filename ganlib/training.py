"""Training: the iterations of Algorithm 1 on a State (`steps`), and epochs of them (`train`)."""

import math
import time
import warnings
from dataclasses import dataclass
from itertools import islice

import torch

from ganlib import algorithm, data, own
from ganlib.networks import evaluating
from ganlib.state import LOSSES, PLAIN, Settings, State, start  # noqa: F401, offered here too

LOSSES_G = dict(zip(LOSSES, (algorithm.loss_G, algorithm.loss_G_minimax), strict=True))
ASKED, EVERY = 100, 50  # D is asked about so many real and generated images, every so many iterations


class Batches:
    """Images on the device, as `algorithm.iterations` draws them."""

    def __init__(self, images, device):
        self.images, self.device = images, device
        if isinstance(images, data.Images) or not hasattr(images, "batch"):
            self.images = own.tensor_of(images).to(device)

    def __len__(self):
        return len(self.images)

    def batch(self, indices):
        """x of these indices; an object of your own is asked for its `batch(indices)`, whatever that is."""
        if not isinstance(self.images, torch.Tensor):
            x = self.images.batch(indices)
            return x.to(self.device) if isinstance(x, torch.Tensor) else x
        x = self.images[indices.to(self.images.device)]
        return data.to_float(x) if x.dtype == torch.uint8 else x


def steps(state, images, update_D=algorithm.update_D, update_G=algorithm.update_G, iterations=algorithm.iterations):
    """algorithm.iterations on the State, without end: yields (loss_D, loss_G), scalars on the device.

    images: see own.tensor_of; or an object with a length and `batch(indices)`. update_D, update_G: functions
    like those of ganlib.algorithm; the reader's own run as they stand. Raises ValueError or TypeError
    (Vietnamese) before any work: k·m > N, networks that do not fit the images or z.
    """
    s, images = state.settings, images if isinstance(images, Batches) else Batches(images, state.device)
    if len(images) < s.k * s.m:
        raise ValueError(f"Một vòng lặp cần k·m = {s.k * s.m} ảnh, ở đây chỉ có {len(images)}: giảm k hoặc m.")
    if update_G is not algorithm.update_G and s.loss != "non_saturating":
        own.takes_loss_G(update_G, s.loss)
    own.try_out(state, images, logits=update_D is algorithm.update_D)
    # no cache: it gains nothing here, and an interrupt could leave old weights in it
    half = torch.autocast(state.device.type, torch.bfloat16, state.precision == "bf16", cache_enabled=False)
    last = () if s.loss == "non_saturating" else (LOSSES_G[s.loss],)

    def update_G_for(D, G, z, optimizer_G):
        return half(update_G)(D, G, z, optimizer_G, *last)

    networks = state.D, state.G, state.optimizer_D, state.optimizer_G
    run = iterations(*networks, images, state.noise, s.k, s.m, half(update_D), update_G_for)
    return watched(state, run)


def watched(state, run):
    while True:
        with state.own_randomness():
            losses = next(run)
            for name, loss in zip(("update_D", "update_G"), losses, strict=True):
                own.scalar(name, loss)
            state.after()
        yield losses


# ------------------------------------------------------------------------------------------------ epochs


@dataclass(frozen=True)
class Frame:
    """What stood after an iteration: for the film of notebook 04."""

    iteration: int
    loss_D: float
    loss_G: float
    D_x: float  # D's answers without Dropout: see `answers`
    D_Gz: float
    images: torch.Tensor  # (36, 1, 28, 28) uint8, on the CPU


@dataclass(frozen=True)
class Epoch:
    """One epoch: means over its iterations, and the images that the fixed noise gives after it."""

    epoch: int
    epochs: int
    loss_D: float  # nats; 2 log 2 ≈ 1.386 where D = 1/2
    loss_G: float  # nats; log 2 ≈ 0.693 (non-saturating) where D = 1/2
    D_x: float  # means over its frames
    D_Gz: float
    images: torch.Tensor  # (36, 1, 28, 28) in [-1, 1], on the CPU
    frames: list  # a Frame every 50 iterations
    seconds: float
    state: State  # the live state: its networks go on changing with the next epoch

    def __str__(self):
        left = self.seconds * (self.epochs - self.epoch)
        rest = f"còn khoảng {left / 60:.0f} phút" if left >= 90 else f"còn khoảng {left:.0f} giây"
        return (
            f"epoch {self.epoch}/{self.epochs}: loss_D {self.loss_D:.3f}, loss_G {self.loss_G:.3f}, "
            f"D(x) {self.D_x:.2f}, D(G(z)) {self.D_Gz:.2f}; {self.seconds:.1f} giây "
            f"({self.state.precision}), {rest}"
        )


@torch.no_grad()
def answers(D, G, x, z):
    """The means of D(x) and D(G(z)), floats in (0, 1): both in eval mode, so that two askings compare."""
    with evaluating(D, G):
        return [torch.sigmoid(D(images)).mean().item() for images in (x, G(z))]


class Training:
    """Epochs to come: `for epoch in train(…)` runs them. One that nobody asks for an epoch says so."""

    def __init__(self, epochs):
        self.epochs, self.begun = epochs, False

    def __iter__(self):
        return self

    def __next__(self):
        self.begun = True
        return next(self.epochs)

    def __repr__(self):
        return "train chưa chạy epoch nào. Hãy viết: for epoch in train(…): print(epoch)"

    def __del__(self):
        if not getattr(self, "begun", True):
            print(self)


def train(images, epochs=100, *, state=None, update_D=algorithm.update_D, update_G=algorithm.update_G, **options):
    """Train for `epochs` epochs in all and yield an Epoch after each; options: those of `start`.

    state: go on with this State (from its epoch on) in place of a new one. Ctrl-C (the Stop button) or a loss
    that is no longer finite ends the loop with a warning, and the state goes back to the end of the last good
    epoch: what was yielded stays usable.
    """
    if state and options:
        raise TypeError("Khi huấn luyện tiếp một state, mọi lựa chọn là của state ấy: đừng truyền thêm.")
    state = state or start(**options)
    if state.epoch >= epochs:
        print(f"State này đã học {state.epoch} epoch; epochs={epochs} là tổng số, nên không còn epoch nào để chạy.")
    images = Batches(images, state.device)
    return Training(_epochs(state, images, epochs, steps(state, images, update_D, update_G)))


def _epochs(state, images, epochs, run):
    per_epoch = len(images) // (state.settings.k * state.settings.m)
    x, z = images.batch(torch.arange(min(ASKED, len(images)))), torch.Generator().manual_seed(0)
    z = torch.randn(ASKED, state.settings.latent_dim, generator=z).to(state.device)  # the same all along
    askable = isinstance(x, torch.Tensor)  # else only the reader's update_D knows how to ask D
    while state.epoch < epochs:
        good, began, losses, frames = state.state_dict(), time.perf_counter(), [], []
        try:
            for i, pair in enumerate(islice(run, per_epoch), 1):
                losses.append(torch.stack(pair))
                if i % EVERY == 0 or i == per_epoch:
                    asked = answers(state.D, state.G, x, z) if askable else (math.nan, math.nan)
                    shown = data.to_pixels(state.draw().nan_to_num(0))
                    frames.append(Frame(state.iterations, *losses[-1].tolist(), *asked, shown))
            means = torch.stack(losses).mean(0).tolist()
            if not all(map(math.isfinite, means)):
                raise ArithmeticError("Loss là NaN hoặc vô hạn (thường vì tốc độ học quá lớn)")
            means += [sum(getattr(frame, of) for frame in frames) / len(frames) for of in ("D_x", "D_Gz")]
            state.epoch += 1
        except (KeyboardInterrupt, ArithmeticError) as why:
            state.load_state_dict(good)
            words = f"{str(why) or 'Dừng theo yêu cầu'}: đã dừng, trọng số như ở cuối epoch {state.epoch}."
            warnings.warn(words, RuntimeWarning, stacklevel=3)
            return
        yield Epoch(state.epoch, epochs, *means, state.draw(), frames, time.perf_counter() - began, state)
