"""What a run is set to (`Settings`), and what it changes (`State`): networks, optimizers, randomness."""

import copy
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch

from ganlib import checks
from ganlib.networks import LATENT_DIM, Discriminator, Generator

FIXED_IMAGES = 36  # how many images of one fixed noise every epoch keeps
LOSSES = ("non_saturating", "minimax")  # of G: see ganlib.algorithm


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run, given the images. Raises ValueError (Vietnamese) before any work."""

    seed: int = 0
    k: int = 1  # steps of D for each step of G (the paper: 1)
    m: int = 100  # images in a mini-batch (the paper's code: 100)
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

        for name in ("k", "m"):
            checks.whole(name, getattr(self, name))
        checks.whole("latent_dim", self.latent_dim, 1, 100_000)
        checks.whole("seed", self.seed, 0, 2**63 - 1)
        for name in ("lr_D", "lr_G"):
            checks.positive(name, getattr(self, name))
        for name in ("hidden_G", "hidden_D"):
            checks.widths(name, getattr(self, name))
        for name in ("dropout", "average"):
            value = getattr(self, name)
            require(checks.is_number(value) and 0 <= value < 1, name, "một số từ 0 đến dưới 1")
        ok = checks.is_number(self.decay_from) and 0 <= self.decay_from <= 1
        require(ok, "decay_from", "một số từ 0 đến 1")
        ok = isinstance(self.betas, tuple | list) and len(self.betas) == 2
        ok = ok and all(checks.is_number(beta) and 0 <= beta < 1 for beta in self.betas)
        require(ok, "betas", "hai số từ 0 đến dưới 1, ví dụ (0.5, 0.999)")
        require(isinstance(self.loss, str) and self.loss in LOSSES, "loss", " hoặc ".join(map(repr, LOSSES)))


# The textbook recipe, one argument away: train(images, **PLAIN).
PLAIN = {
    "lr_D": 2e-4,
    "lr_G": 2e-4,
    "average": 0.0,
    "hidden_G": (256, 512, 1024),
    "hidden_D": (1024, 512, 256),
}

# The recipes of the recorded 100-epoch runs (notebook 05): one more layer each, a longer average; and on
# FashionMNIST a D that learns twice as fast. tests/bench_choices.py measures what each choice brought.
DEEP = {"hidden_G": (512, 512, 512), "hidden_D": (512, 512, 512), "average": 0.9997}
RESULTS = {"mnist": DEEP, "fashion": DEEP | {"lr_D": 2e-4}}


class State:
    """What a run changes: two networks, two optimizers, the average of G, and the run's own randomness."""

    def __init__(self, settings, device, precision="fp32", G=None, D=None):
        self.settings, self.device, self.precision = settings, device, precision
        self.epoch, self.iterations = 0, 0
        self.share = slice(None)  # the rows of each batch that are this process's: see ganlib.parallel
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
        z = torch.randn(m or self.settings.m, self.settings.latent_dim, device=self.device)
        return z if m else z[self.share]

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

    def hand_down(self):
        """Hand the weights to the bf16 twins: wherever something else than a step has changed them."""
        if self.precision == "bf16":
            hand_down(self.D, self.fast_D)
            hand_down(self.G, self.fast_G)

    def parts(self):
        average = ["G_avg"] if self.G_avg is not None else []
        return ["G", "D", "optimizer_G", "optimizer_D", *average]


def adam(network, lr, betas):
    """Adam in one fused call over all parameters (see notebook 04, "Vì sao nhanh?")."""
    return torch.optim.Adam(network.parameters(), lr=lr, betas=tuple(map(float, betas)), fused=True)


def bf16_twin(network, optimizer):
    """A bf16 copy of the network to compute with, while `optimizer` goes on moving the fp32 weights.

    Before a step its gradients go up to the network, after it the new weights come down: each weight is
    rounded to bf16 once a step, not once a pass (mixed precision, arXiv 1710.03740). In and out go fp32.
    """
    twin = copy.deepcopy(network).bfloat16()
    twin.register_forward_pre_hook(lambda _, given: given[0].bfloat16())
    twin.register_forward_hook(lambda _, given, result: result.float())

    def hand_up(*_):
        for weight, low in zip(network.parameters(), twin.parameters(), strict=True):
            weight.grad, low.grad = low.grad.float(), None

    optimizer.register_step_pre_hook(hand_up)
    optimizer.register_step_post_hook(lambda *_: hand_down(network, twin))
    return twin


@torch.no_grad()
def hand_down(network, twin):
    """The network's fp32 weights, rounded, become those of its bf16 twin."""
    for weight, low in zip(network.parameters(), twin.parameters(), strict=True):
        low.copy_(weight)


def choose_device(device=None):
    """The device named, or CUDA, Apple's GPU, the CPU, whichever is there first."""
    if device is not None:
        try:
            return torch.empty(0, device=device).device
        except (RuntimeError, TypeError, AssertionError, ValueError) as error:
            expected = "một thiết bị mà máy này có, ví dụ 'cpu'"
            raise ValueError(f"device phải là {expected}; đã nhận {device!r}.") from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def choose_precision(precision, device):
    """The precision named; for "auto" bf16 where the device has instructions for it (else it is slower)."""
    if isinstance(precision, str) and precision == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
        can = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
        return "bf16" if can.get("avx512_bf16") or can.get("amx_bf16") else "fp32"
    if not isinstance(precision, str) or precision not in ("fp32", "bf16"):
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
