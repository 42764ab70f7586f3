"""Algorithm 1 of Goodfellow et al. 2014 (arXiv 1406.2661): two losses, two updates, one loop.

Read from top to bottom: a loss, an update, one iteration (`steps`), epochs of them (`train`).
"""

import copy
import math
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import islice
from typing import NamedTuple

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from ganlib.data import to_float
from ganlib.networks import LATENT_DIM, Discriminator, Generator

FIXED_IMAGES = 36  # how many images of one fixed noise every epoch keeps


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


LOSSES_G = {"non_saturating": loss_G, "minimax": loss_G_minimax}


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
    D.requires_grad_(False)  # D only passes the gradient on: none of its own is computed
    fake_logit = D(G(z))
    D.requires_grad_(True)
    value = loss(fake_logit)
    value.backward()
    optimizer_G.step()
    return value.detach(), mean_D(fake_logit)


def mean_D(logit):
    """The mean of D(·) = sigmoid(logit): a scalar in (0, 1) without a graph."""
    return torch.sigmoid(logit.detach()).mean()


# ------------------------------------------------------------------------------------------------ a run


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run, given the images. Raises ValueError (Vietnamese) before any work."""

    seed: int = 0
    k: int = 1  # steps of D for each step of G (the paper: 1)
    m: int = 100  # images in a mini-batch (the paper: 100)
    lr_D: float = 1e-4
    lr_G: float = 4e-4
    betas: tuple = (0.5, 0.999)  # of Adam (the paper: SGD with momentum)
    decay_from: float = 1.0  # from this share of the epochs on, learning rates fall linearly to 0; 1: never
    average: float = 0.999  # G's weights averaged over the iterations with this decay (EMA); 0: no average
    loss: str = "non_saturating"  # or "minimax" (eqn4)
    hidden_G: tuple = (512, 512)
    hidden_D: tuple = (512, 512)
    dropout: float = 0.3
    latent_dim: int = LATENT_DIM

    def __post_init__(self):
        def require(true, name, expected):
            if not true:
                raise ValueError(f"{name} phải là {expected}; đã nhận {getattr(self, name)!r}.")

        for name in ("k", "m", "latent_dim"):
            value = getattr(self, name)
            require(isinstance(value, int) and value >= 1, name, "số nguyên từ 1 trở lên")
        require(isinstance(self.seed, int) and self.seed >= 0, "seed", "số nguyên từ 0 trở lên")
        for name in ("lr_D", "lr_G"):
            value = getattr(self, name)
            ok = isinstance(value, (int, float)) and 0 < value < math.inf
            require(ok, name, "một số dương, ví dụ 0.0002")
        for name in ("dropout", "average"):
            require(0 <= getattr(self, name) < 1, name, "một số từ 0 đến dưới 1")
        require(0 <= self.decay_from <= 1, "decay_from", "một số từ 0 đến 1")
        require(self.loss in LOSSES_G, "loss", " hoặc ".join(map(repr, LOSSES_G)))


# The textbook recipe, one argument away: train(images, **PLAIN).
PLAIN = {
    "lr_D": 2e-4,
    "lr_G": 2e-4,
    "average": 0.0,
    "hidden_G": (256, 512, 1024),
    "hidden_D": (1024, 512, 256),
}


class State:
    """What a run changes: two networks, two optimizers, the average of G, and the run's own randomness."""

    def __init__(self, settings, device, precision="fp32", G=None, D=None):
        self.settings, self.device, self.precision = settings, device, precision
        self.epoch, self.iterations = 0, 0
        self.random = None  # the random states of CPU and device between two iterations
        with self.own_randomness():
            torch.manual_seed(settings.seed)
            self.G = (G or Generator(settings.latent_dim, settings.hidden_G)).to(device)
            self.D = (D or Discriminator(settings.hidden_D, settings.dropout)).to(device)
            self.fixed_noise = self.noise(FIXED_IMAGES)
        self.G_avg = copy.deepcopy(self.G) if settings.average else None
        self.optimizer_D = adam(self.D, settings.lr_D, settings.betas)
        self.optimizer_G = adam(self.G, settings.lr_G, settings.betas)
        self.fast_D, self.fast_G = self.D, self.G  # those that compute in training
        if precision == "bf16":
            self.fast_D = bf16_twin(self.D, self.optimizer_D)
            self.fast_G = bf16_twin(self.G, self.optimizer_G)

    def noise(self, m=None):
        """z ~ N(0, I), (m, latent_dim)."""
        return torch.randn(m or self.settings.m, self.settings.latent_dim, device=self.device)

    @contextmanager
    def own_randomness(self):
        """Inside, torch draws from this run's own random state; outside, nobody notices.

        So nothing that is drawn, shown or run between two iterations changes the run.
        """
        module = None if self.device.type == "cpu" else getattr(torch, self.device.type)
        outer = torch.get_rng_state(), module and module.get_rng_state()
        try:
            if self.random:
                torch.set_rng_state(self.random[0])
                if module:
                    module.set_rng_state(self.random[1])
            yield
        finally:
            self.random = torch.get_rng_state(), module and module.get_rng_state()
            torch.set_rng_state(outer[0])
            if module:
                module.set_rng_state(outer[1])

    def sampler(self):
        """The generator whose images are shown: the averaged one, if there is one."""
        return self.G_avg or self.G

    @torch.no_grad()
    def average(self):
        """G_avg ← a G_avg + (1 − a) G; a grows from 0.1 to `average`, to forget the first weights soon."""
        if self.G_avg is None:
            return
        t = self.iterations
        a = min(self.settings.average, (1 + t) / (10 + t))
        for mean, now in zip(self.G_avg.parameters(), self.G.parameters(), strict=True):
            mean.lerp_(now, 1 - a)

    def state_dict(self):
        """All that `load_state_dict` needs to go on exactly here: dicts of tensors and numbers."""
        parts = {name: getattr(self, name).state_dict() for name in self.parts()}
        own = {name: getattr(self, name) for name in ("epoch", "iterations", "random", "fixed_noise")}
        return copy.deepcopy(parts | own)

    def load_state_dict(self, saved):
        saved = copy.deepcopy(saved)
        for name in self.parts():
            getattr(self, name).load_state_dict(saved.pop(name))
        self.__dict__.update(saved)
        self.hand_down()

    @torch.no_grad()
    def hand_down(self):
        """Copy the weights to the bf16 twins: wherever something else than a step has changed them."""
        for network, twin in ((self.D, self.fast_D), (self.G, self.fast_G)):
            if twin is not network:
                for weight, low in zip(network.parameters(), twin.parameters(), strict=True):
                    low.copy_(weight)

    def parts(self):
        average = ["G_avg"] if self.G_avg is not None else []
        return ["G", "D", "optimizer_G", "optimizer_D", *average]


def adam(network, lr, betas):
    """Adam in one fused call over all parameters (see notebook 04, "Vì sao nhanh?")."""
    return torch.optim.Adam(network.parameters(), lr=lr, betas=betas, fused=True)


def bf16_twin(network, optimizer):
    """A bf16 copy of the network to compute with, while `optimizer` goes on moving the fp32 weights.

    Before a step its gradients go up to the network, after it the new weights come down: each weight is
    rounded to bf16 once a step, not once a pass (mixed precision, arXiv 1710.03740). In and out go fp32.
    """
    twin = copy.deepcopy(network).bfloat16()
    twin.register_forward_pre_hook(lambda _, given: given[0].bfloat16())
    twin.register_forward_hook(lambda _, given, result: result.float())
    pairs = list(zip(network.parameters(), twin.parameters(), strict=True))

    def up(*_):
        for weight, low in pairs:
            weight.grad, low.grad = low.grad.float(), None

    @torch.no_grad()
    def down(*_):
        for weight, low in pairs:
            low.copy_(weight)

    optimizer.register_step_pre_hook(up)
    optimizer.register_step_post_hook(down)
    return twin


def choose_device(device=None):
    """The device named, or CUDA, Apple's GPU, the CPU, whichever is there first."""
    if device is not None:
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def choose_precision(precision, device):
    """The precision named; for "auto" bf16 where the device has instructions for it (else it is slower)."""
    if precision == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
        can = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
        return "bf16" if can.get("avx512_bf16") or can.get("amx_bf16") else "fp32"
    if precision not in ("fp32", "bf16"):
        raise ValueError(f"precision phải là 'auto', 'fp32' hoặc 'bf16'; đã nhận {precision!r}.")
    return precision


def start(device=None, precision="auto", G=None, D=None, **settings):
    """A new run's State: networks freshly initialised from the seed (or those given), nothing trained yet."""
    known = [field.name for field in fields(Settings)]
    for name in settings:
        if name not in known:
            raise TypeError(
                f"Không có tham số {name!r}. Các tham số của một lần huấn luyện: {', '.join(known)}."
            )
    device = choose_device(device)
    return State(Settings(**settings), device, choose_precision(precision, device), G, D)


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
                    z, x = state.noise(), as_batch(pixels[next(batches)])  # 1. sample z, sample x
                    loss_d, D_x, D_Gz = update_D(D, G, x, z, state.optimizer_D, joined)  # 2. up eqn3
                z = state.noise()  # 4. fresh noise
                loss_g, _ = update_G(D, G, z, state.optimizer_G, loss)  # 5. down eqn4
                state.average()
                state.iterations += 1
            yield Iteration(loss_d, loss_g, D_x, D_Gz)  # 6. again from 1


def as_batch(x):
    """uint8 images as float in [-1, 1]; anything else is a batch already."""
    return to_float(x) if x.dtype == torch.uint8 else x


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
    if not isinstance(epochs, int) or epochs < 1:
        raise ValueError(f"epochs phải là số nguyên từ 1 trở lên; đã nhận {epochs!r}.")
    if state is not None and settings:
        raise TypeError(
            "Khi huấn luyện tiếp một state, tham số là của state ấy: đừng truyền thêm tham số khác."
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
            means = torch.stack(measured).mean(0).tolist()  # the only wait for the device in an epoch
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
