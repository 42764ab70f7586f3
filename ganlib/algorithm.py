"""Algorithm 1 of Goodfellow et al. 2014 (arXiv 1406.2661): two losses, two updates, one loop.

Read from top to bottom: a loss, an update, one iteration (`steps`), epochs of them (`train`).
"""

import math
import time
import warnings
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from ganlib import checks, parallel
from ganlib.data import to_float
from ganlib.state import LOSSES, PLAIN, RESULTS, Settings, State, start  # noqa: F401, all offered here too

# ---------------------------------------------------------------------------------------------- losses


def loss_D(real_logit, fake_logit):
    """−1/m Σ [log D(x) + log(1 − D(G(z)))]: minus eqn3, so descending it is ascending eqn3.

    Logits (m,) of D on x and on G(z), labels 1 and 0; returns a scalar in nats, 2 log 2 where D = 1/2.
    """
    real, fake = torch.ones_like(real_logit), torch.zeros_like(fake_logit)
    return cross_entropy(real_logit, real) + cross_entropy(fake_logit, fake)


def loss_G(fake_logit):
    """−1/m Σ log D(G(z)), the non-saturating loss (section 3 of the paper); log 2 where D = 1/2."""
    return cross_entropy(fake_logit, torch.ones_like(fake_logit))


def loss_G_minimax(fake_logit):
    """1/m Σ log(1 − D(G(z))), eqn4: saturates where D rejects every fake; −log 2 where D = 1/2."""
    return -cross_entropy(fake_logit, torch.zeros_like(fake_logit))


LOSSES_G = dict(zip(LOSSES, (loss_G, loss_G_minimax), strict=True))


# --------------------------------------------------------------------------------------------- updates


def update_D(D, G, x, z, optimizer_D, joined=False):
    """Steps 1–2: move θ_d once, up eqn3, on real images x and on G(z); θ_g stays as it is.

    Returns (loss_D, D(x), D(G(z))), the means before the move, as scalars without a graph.
    joined: D sees both batches in one pass: equal to rounding (but for Dropout's masks), fewer calls.
    """
    optimizer_D.zero_grad()
    with torch.no_grad():  # G(z) is only data here: no graph through G, no gradient for θ_g
        fake = G(z)
    if joined:
        real_logit, fake_logit = D(torch.cat([x, fake])).split([len(x), len(fake)])
    else:
        real_logit, fake_logit = D(x), D(fake)
    loss = loss_D(real_logit, fake_logit)
    loss.backward()
    optimizer_D.step()
    return loss.detach(), mean_D(real_logit), mean_D(fake_logit)


def update_G(D, G, z, optimizer_G, loss=loss_G):
    """Steps 4–5: move θ_g once, down the gradient that comes back through D; θ_d stays as it is.

    Returns (loss_G, D(G(z))), the means before the move, as scalars without a graph.
    """
    optimizer_G.zero_grad()
    fake_logit = D(G(z))
    value = loss(fake_logit)
    value.backward(inputs=list(G.parameters()))  # only θ_g: D passes the gradient on and keeps none
    optimizer_G.step()
    return value.detach(), mean_D(fake_logit)


def mean_D(logit):
    """The mean of D(·) = sigmoid(logit): a scalar in (0, 1) without a graph."""
    return torch.sigmoid(logit.detach()).mean()


# ----------------------------------------------------------------------------------------- Algorithm 1


class Iteration(NamedTuple):
    """What one iteration measured: scalars on the device; those of D are of its last step."""

    loss_D: torch.Tensor
    loss_G: torch.Tensor
    D_x: torch.Tensor
    D_Gz: torch.Tensor


def steps(state, images):
    """Algorithm 1, one iteration after another without end: k steps of D, each on a fresh batch, one of G.

    images: data.Images, or a tensor of them (uint8 (N, 28, 28), or float as D takes it). Yields an Iteration
    after each, so whoever loops may stop at any time; a new order of the images begins each epoch of
    iterations_per_epoch iterations. Raises ValueError if k·m exceeds the number of images.
    """
    s, G, D = state.settings, state.fast_G, state.fast_D
    per_epoch, joined = iterations_per_epoch(images, s.k, s.m), state.precision == "bf16"
    pixels = getattr(images, "pixels", images).to(state.device)
    loss = LOSSES_G[s.loss]
    while True:
        with state.own_randomness():
            order = torch.randperm(len(pixels)).to(state.device)
        state.hand_down()
        batches = iter(order[: per_epoch * s.k * s.m].split(s.m))
        for _ in range(per_epoch):
            with state.own_randomness():
                for _ in range(s.k):  # 3. k steps of D, each on a batch of its own
                    mine = next(batches)[state.share]  # all of it, but where processes share the work
                    z, x = state.noise(), as_batch(pixels[mine])  # 1. sample z, sample x
                    loss_d, D_x, D_Gz = update_D(D, G, x, z, state.optimizer_D, joined)  # 2. up eqn3
                z = state.noise()  # 4. fresh noise
                loss_g, _ = update_G(D, G, z, state.optimizer_G, loss)  # 5. down eqn4
                state.average()
                state.iterations += 1
            yield Iteration(loss_d, loss_g, D_x, D_Gz)  # 6. again from 1


def as_batch(x):
    """uint8 images as float in [-1, 1]; anything else is a batch already."""
    return to_float(x) if x.dtype == torch.uint8 else x


def check_images(images):
    """Raises TypeError or ValueError unless `steps` can draw batches of them."""
    x = getattr(images, "pixels", images)
    checks.tensor("images", x, "data.Images (từ ganlib.data.load) hoặc một tensor ảnh")
    if x.dtype == torch.uint8:
        checks.require(x.ndim == 3, "images kiểu uint8", "tensor (N, 28, 28)", x)
    else:
        checks.require(x.ndim >= 2 and x.is_floating_point(), "images", "uint8 hoặc số thực, (N, …)", x)
        checks.require(bool(x.isfinite().all()), "images", "ảnh không có NaN hay vô hạn", x)


def iterations_per_epoch(images, k=1, m=100):
    """⌊N / (k·m)⌋ steps of G: an epoch shows D every image once (but for a last part of a batch)."""
    count = len(images) // (k * m)
    if count < 1:
        raise ValueError(
            f"Một vòng lặp cần k·m = {k}·{m} = {k * m} ảnh, nhưng tập huấn luyện chỉ có {len(images)}. "
            "Hãy giảm k hoặc m."
        )
    return count


@dataclass(frozen=True)
class Epoch:
    """One epoch: means over its iterations, and the images that the fixed noise gives after it."""

    epoch: int
    epochs: int
    loss_D: float  # nats; 2 log 2 ≈ 1.386 where D = 1/2
    loss_G: float  # nats; log 2 ≈ 0.693 (non-saturating) where D = 1/2
    D_x: float
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


def train(images, epochs=100, *, state=None, device=None, precision="auto", **settings):
    """Train for `epochs` epochs in all and yield an Epoch after each; settings as in Settings.

    state: go on with this State (from its epoch on) in place of a new one.
    precision: "fp32", "bf16", or "auto": bf16 where the device has instructions for it.
    All errors come before any work. Ctrl-C (the Stop button) or a loss that is no longer finite ends the loop
    with a warning that says so, and the state goes back to the end of the last good epoch: what was yielded
    stays usable.
    """
    checks.whole("epochs", epochs)
    check_images(images)
    checks.instance("state", state, State | None, "một State (từ ganlib.algorithm.start)")
    if state is not None and settings:
        raise TypeError(
            "Khi huấn luyện tiếp một state, các lựa chọn là của state ấy: đừng truyền thêm lựa chọn khác."
        )
    state = state or start(device, precision, **settings)
    iterations_per_epoch(images, state.settings.k, state.settings.m)
    return _epochs(state, images, epochs)


def _epochs(state, images, epochs):
    s, run = state.settings, steps(state, images)
    per_epoch = iterations_per_epoch(images, s.k, s.m)
    while state.epoch < epochs:
        good, began = state.state_dict(), time.perf_counter()
        try:
            set_learning_rates(state, epochs)
            measured = [torch.stack(iteration) for iteration in islice(run, per_epoch)]
            means = torch.stack(measured).mean(0)
            means = parallel.mean(means).tolist()  # the only wait for the device in an epoch
        except KeyboardInterrupt:
            return _go_back(state, good, "Đã dừng theo yêu cầu")
        if not all(map(math.isfinite, means)):
            why = "NaN hoặc vô hạn (thường vì tốc độ học quá lớn) nên đã dừng"
            return _go_back(state, good, f"Loss ở epoch {state.epoch + 1} là {why}")
        state.epoch += 1
        with torch.no_grad():
            shown = state.sampler()(state.fixed_noise).cpu()
        yield Epoch(state.epoch, epochs, *means, shown, time.perf_counter() - began, state)


def set_learning_rates(state, epochs):
    """Constant up to the share `decay_from` of the epochs, then in equal steps down towards 0."""
    s = state.settings
    left = (epochs - state.epoch) / (epochs * (1 - s.decay_from) + 1) if s.decay_from < 1 else 1.0
    for optimizer, lr in ((state.optimizer_D, s.lr_D), (state.optimizer_G, s.lr_G)):
        optimizer.param_groups[0]["lr"] = lr * min(1.0, left)


def _go_back(state, good, why):
    state.load_state_dict(good)
    kept = f"giữ nguyên trọng số ở cuối epoch {state.epoch}" if state.epoch else "trở về trọng số ban đầu"
    warnings.warn(f"{why}; {kept}.", RuntimeWarning, stacklevel=3)
