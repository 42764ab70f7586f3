"""A run of Algorithm 1: its iterations (`steps`), epochs of them (`train`), and what is told after each."""

import math
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch

from ganlib import algorithm, check
from ganlib.data import to_float
from ganlib.fast import frozen, joined_update_D, shared_mean
from ganlib.settings import LOSSES, PLAIN, RESULTS, Settings  # noqa: F401, offered here too
from ganlib.state import State, choose_device, start  # noqa: F401

ASKED, EVERY = 100, 20  # D is asked about so many real and generated images, every so many iterations
LOSSES_G = dict(zip(LOSSES, (algorithm.loss_G, algorithm.loss_G_minimax), strict=True))


class Batches:
    """Images on the device, as `algorithm.iterations` draws them; `rows` of each batch are this process's."""

    def __init__(self, images, state):
        self.pixels, self.rows = getattr(images, "pixels", images).to(state.device), state.rows

    def __len__(self):
        return len(self.pixels)

    def batch(self, indices):
        x = self.pixels.index_select(0, indices[self.rows].to(self.pixels.device))
        return to_float(x) if x.dtype == torch.uint8 else x


def steps(state, images, update_D=algorithm.update_D, update_G=algorithm.update_G):
    """algorithm.iterations on the State, without end: yields (loss_D, loss_G), scalars on the device.

    images: data.Images, or a tensor of them: uint8 (N, 28, 28), or float as D takes it. update_D, update_G:
    functions like those of ganlib.algorithm; the reader's own run as they stand. ValueError if k·m > N.
    """
    s = state.settings
    enough(images, s)
    own_D, own_G = update_D is algorithm.update_D, update_G is algorithm.update_G
    if own_D and state.precision == "bf16" and "joined" in state.tricks:
        update_D = joined_update_D
    if s.loss != "non_saturating":
        update_G = partial(update_G, loss_G=LOSSES_G[s.loss])
    frozen_too = "frozen" in state.tricks
    update_D = quick(state, update_D, state.G if own_D and frozen_too else None)
    update_G = quick(state, update_G, state.D if own_G and frozen_too else None)
    networks = state.D, state.G, state.optimizer_D, state.optimizer_G

    def noise(m):
        return state.noise(m)[state.rows]

    run = algorithm.iterations(*networks, Batches(images, state), noise, s.k, s.m, update_D, update_G)
    while True:
        with state.own_randomness():
            losses = next(run)
            told = all(isinstance(loss, torch.Tensor) for loss in losses)
            check.require(told, "Thứ mà update_D, update_G trả về", "loss.detach()", losses, TypeError)
            state.average()
            state.iterations += 1
        yield losses


def enough(images, s):
    if len(images) < s.k * s.m:
        raise ValueError(
            f"Một vòng lặp cần k·m = {s.k}·{s.m} = {s.k * s.m} ảnh, nhưng tập huấn luyện chỉ có "
            f"{len(images)}. Hãy giảm k hoặc m."
        )


def quick(state, update, resting=None):
    """The update in bf16, if the State is set to that; with no gradient for the weights of `resting`."""
    bf16 = state.precision == "bf16"
    if not bf16 and resting is None:
        return update
    # no cache: it gains nothing here, and an interrupt could leave old weights in it
    half = partial(torch.autocast, state.device.type, torch.bfloat16, cache_enabled=False)

    def quicker(*given):
        with half() if bf16 else nullcontext(), frozen(resting) if resting else nullcontext():
            return update(*given)

    return quicker


# ------------------------------------------------------------------------------------------------ epochs


@dataclass(frozen=True)
class Epoch:
    """One epoch: means over its iterations, and the images that the fixed noise gives after it."""

    epoch: int
    epochs: int
    loss_D: float  # nats; 2 log 2 ≈ 1.386 where D = 1/2
    loss_G: float  # nats; log 2 ≈ 0.693 (non-saturating) where D = 1/2
    D_x: float  # D's answers without Dropout: see `answers`
    D_Gz: float
    images: torch.Tensor  # (36, 1, 28, 28) in [-1, 1], on the CPU
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
    """The means of D(x) and D(G(z)), floats in (0, 1): D without Dropout, so that two askings compare."""
    was = D.training
    D.eval()
    try:
        return [torch.sigmoid(D(images)).mean().item() for images in (x, G(z))]
    finally:
        D.train(was)


class Stopped(RuntimeWarning):
    """The training ended before its last epoch; `why`: "interrupt" or "not finite"."""

    def __init__(self, message, why):
        super().__init__(message)
        self.why = why


def train(
    images, epochs=100, *, state=None, device=None, precision="auto", fast=True,
    update_D=algorithm.update_D, update_G=algorithm.update_G, **settings,
):  # fmt: skip
    """Train for `epochs` epochs in all and yield an Epoch after each; options as those of `start`, `steps`.

    state: go on with this State (from its epoch on) in place of a new one.
    All errors come before any work. Ctrl-C (the Stop button) or a loss that is no longer finite ends the loop
    with a warning (Stopped), and the state goes back to the end of the last good epoch: what was yielded
    stays usable.
    """
    check.whole("epochs", epochs)
    can_train_on(images)
    if state is not None and settings:
        raise TypeError(
            "Khi huấn luyện tiếp một state, các siêu tham số là của state ấy: đừng truyền thêm cái khác."
        )
    state = state or start(device, precision, fast, **settings)
    enough(images, state.settings)
    return _epochs(state, images, epochs, update_D, update_G)


def can_train_on(images):
    """Raises TypeError or ValueError unless `steps` can draw batches of them."""
    x = getattr(images, "pixels", images)
    check.tensor("images", x, "data.Images (từ ganlib.data.load) hoặc một tensor ảnh")
    if x.dtype == torch.uint8:
        check.require(x.shape[1:] == (28, 28), "images kiểu uint8", "tensor (N, 28, 28)", x)
    else:
        check.require(x.is_floating_point() and x.ndim > 1, "images", "uint8 (N, 28, 28), hoặc số thực", x)


def _epochs(state, images, epochs, update_D, update_G):
    per_epoch = len(images) // (state.settings.k * state.settings.m)
    asked = asked_about(images, state)
    while state.epoch < epochs:
        good, began = state.state_dict(), time.perf_counter()
        losses, told, run = [], [], steps(state, images, update_D, update_G)
        try:
            for i, pair in enumerate(islice(run, per_epoch)):
                losses.append(torch.stack(pair))
                if i % EVERY == 0:
                    told.append(answers(state.D, state.G, *asked))
            losses = shared_mean(torch.stack(losses).mean(0)).tolist()
            if not all(map(math.isfinite, losses)):
                why = "NaN hoặc vô hạn (thường vì tốc độ học quá lớn) nên đã dừng"
                return _go_back(state, good, "not finite", f"Loss ở epoch {state.epoch + 1} là {why}")
            with torch.no_grad():
                shown = state.sampler()(state.fixed_noise).cpu()
            state.epoch += 1
        except KeyboardInterrupt:
            return _go_back(state, good, "interrupt", "Đã dừng theo yêu cầu")
        means = [*losses, *torch.tensor(told).mean(0).tolist()]
        yield Epoch(state.epoch, epochs, *means, shown, time.perf_counter() - began, state)


def asked_about(images, state):
    """The real images and the noise that D is asked about during an epoch, the same throughout a run."""
    batches = Batches(images, state)
    batches.rows = slice(None)
    z = torch.randn(ASKED, state.settings.latent_dim, generator=torch.Generator().manual_seed(0))
    return batches.batch(torch.arange(min(ASKED, len(images)))), z.to(state.device)


def _go_back(state, good, why, words):
    state.load_state_dict(good)
    torch.set_grad_enabled(True)  # a `with` of torch's, interrupted as it ended, may have left these
    torch.set_autocast_enabled(state.device.type, False)
    kept = f"giữ nguyên trọng số ở cuối epoch {state.epoch}" if state.epoch else "trở về trọng số ban đầu"
    warnings.warn(Stopped(f"{words}; {kept}.", why), stacklevel=3)
