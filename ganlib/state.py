"""What a run changes: two networks, two optimizers, the average of G, and randomness of its own (`State`)."""

import copy
from contextlib import contextmanager
from dataclasses import fields

import torch

from ganlib import check
from ganlib.fast import fast_masks, has_bf16, tricks
from ganlib.networks import Discriminator, Generator
from ganlib.settings import Settings

FIXED_IMAGES = 36  # how many images of one fixed noise every epoch keeps


class State:
    """What a run changes: two networks, two optimizers, the average of G, and the run's own randomness."""

    def __init__(self, settings, device, precision, tricks=(), G=None, D=None):
        self.settings, self.device, self.precision, self.tricks = settings, device, precision, tricks
        self.epoch, self.iterations = 0, 0
        self.rows = slice(None)  # of each batch, that are this process's: see ganlib.fast
        self.random = None  # the random states of CPU and device between two iterations
        with self.own_randomness():
            torch.manual_seed(settings.seed)
            self.G = (G or Generator(settings.latent_dim, settings.hidden_G)).to(device)
            self.D = (D or Discriminator(settings.hidden_D, settings.dropout)).to(device)
            self.fixed_noise = self.noise(FIXED_IMAGES)
        self.G_avg = copy.deepcopy(self.G) if settings.average else None
        adam = {"betas": settings.betas, "fused": "fused" in tricks}
        self.optimizer_D = torch.optim.Adam(self.D.parameters(), lr=settings.lr_D, **adam)
        self.optimizer_G = torch.optim.Adam(self.G.parameters(), lr=settings.lr_G, **adam)
        if "masks" in tricks:
            fast_masks(self.D)

    def noise(self, m):
        """z ~ N(0, I), (m, latent_dim)."""
        return torch.randn(m, self.settings.latent_dim, device=self.device)

    @contextmanager
    def own_randomness(self):
        """Inside, torch draws from this run's own random state; outside, nobody notices.

        So nothing that is drawn, shown or run between two iterations changes the run.
        """
        outer = random_states(self.device)
        try:
            if self.random:
                set_random_states(self.device, self.random)
            yield
        finally:
            self.random = random_states(self.device)
            set_random_states(self.device, outer)

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

    def parts(self):
        parts = {name: getattr(self, name) for name in ("G", "D", "optimizer_G", "optimizer_D", "G_avg")}
        return {name: part for name, part in parts.items() if part is not None}

    def state_dict(self):
        """All that `load_state_dict` needs to go on exactly here: dicts of tensors and numbers."""
        saved = {name: part.state_dict() for name, part in self.parts().items()}
        saved |= {"epoch": self.epoch, "iterations": self.iterations, "random": self.random}
        return copy.deepcopy(saved | {"fixed_noise": self.fixed_noise})

    def load_state_dict(self, saved):
        if self.G_avg is not None and "G_avg" not in saved:
            raise ValueError("State đã lưu không có trung bình của G: hãy tạo state mới với average=0.")
        saved = copy.deepcopy(saved)
        for name, part in self.parts().items():
            part.load_state_dict(saved[name])
        self.epoch, self.iterations, self.random = saved["epoch"], saved["iterations"], saved["random"]
        self.fixed_noise = saved["fixed_noise"].to(self.device)
        for network in (self.G, self.D):  # what an update cut short may have left
            network.train().requires_grad_(True).zero_grad()


def random_states(device):
    """The states of the generators that draw for the device: the CPU's, and its own (or None)."""
    if device.type == "cuda":
        return torch.get_rng_state(), torch.cuda.get_rng_state(device)
    return torch.get_rng_state(), torch.mps.get_rng_state() if device.type == "mps" else None


def set_random_states(device, states):
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states[1])


def choose_device(device=None):
    """The device named, or CUDA, Apple's GPU, the CPU, whichever is there first."""
    if device is None:
        mps = "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device("cuda" if torch.cuda.is_available() else mps)
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, TypeError, AssertionError) as error:
        expected = "một thiết bị mà máy này có, ví dụ 'cpu'"
        raise ValueError(f"device phải là {expected}; đã nhận {device!r}.") from error


def start(device=None, precision="auto", fast=True, G=None, D=None, **settings):
    """A new run's State: networks freshly initialised from the seed (or those given), nothing trained yet.

    precision: "fp32", "bf16", or "auto": bf16 where the device has instructions for it and `fast` is on.
    fast: True: every trick of ganlib.fast; False: none, Algorithm 1 as the notebooks write it, in fp32.
    """
    known = [field.name for field in fields(Settings)]
    for name in settings:
        if name not in known:
            raise TypeError(f"Không có siêu tham số {name!r}. Hãy chọn trong: {', '.join(known)}.")
    check.require(precision in ("auto", "fp32", "bf16"), "precision", "'auto', 'fp32' hoặc 'bf16'", precision)
    device = choose_device(device)
    if precision == "auto":
        precision = "bf16" if fast and has_bf16(device) else "fp32"
    return State(Settings(**settings), device, precision, tricks(fast), G, D)
