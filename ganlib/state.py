"""What a run is: what it is set to (`Settings`), and what it changes (`State`)."""

import copy
import math
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from ganlib import choose_device
from ganlib.networks import LATENT_DIM, Discriminator, Generator, evaluating

LOSSES = "non_saturating", "minimax"  # of G: see ganlib.algorithm
FIXED_IMAGES = 36  # how many images of one fixed noise are kept, after every epoch and between
WHOLE, SHARES = ("k", "m", "latent_dim", "hidden_G", "hidden_D"), ("betas", "average", "dropout")
ALONE = threading.RLock()  # torch's random state is one for all threads, and JupyterLab clicks from another

# A reader's update may leave out optimizer.step(): the stepper says so in its own words.
warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run, given the images. Raises ValueError (Vietnamese) before any work."""

    seed: int = 0
    k: int = 1  # steps of D for each step of G (the paper: 1)
    m: int = 100  # images in a mini-batch (the authors' code: 100)
    lr_D: float = 6e-4
    lr_G: float = 1.2e-3
    betas: tuple = (0.0, 0.99)  # of Adam (the authors: SGD with momentum)
    decay_steps: int = 6_000  # iterations until the rates have halved: lr/(1 + t/decay_steps); 0: constant
    average: float = 0.9999  # G's weights averaged over the iterations with this decay (EMA); 0: no average
    loss: str = "non_saturating"  # or "minimax" (eqn4)
    hidden_G: tuple = (512, 512)
    hidden_D: tuple = (512, 512)
    dropout: float = 0.3
    latent_dim: int = LATENT_DIM

    def __post_init__(self):
        for field in fields(self):
            name, given, value = field.name, getattr(self, field.name), None
            try:
                value = like(field.default, given)
                low, high = (1, math.inf) if name in WHOLE else (0, 1 if name in SHARES else math.inf)
                numbers = value if field.type is tuple else (value,)
                right = value in LOSSES if field.type is str else all(low <= v < high for v in numbers)
                right = right and value != () and (name != "betas" or len(value) == 2)
            except (TypeError, ValueError):
                right = False
            if not right:
                raise ValueError(f"{name} không thể là {given!r}; mặc định là {field.default!r}.")
            object.__setattr__(self, name, value)


def like(default, given):
    """`given` as the kind of thing `default` is: lists and numpy's numbers are welcome. ValueError if it is not."""
    if isinstance(default, tuple):
        return tuple(like(default[0], one) for one in given)
    value = type(default)(given)
    if value != given:
        raise ValueError
    return value


# The textbook recipe, one argument away: train(images, **PLAIN).
PLAIN = {
    "lr_D": 2e-4,
    "lr_G": 2e-4,
    "betas": (0.5, 0.999),
    "decay_steps": 0,
    "average": 0.0,
    "hidden_G": (256, 512, 1024),
    "hidden_D": (1024, 512, 256),
}


class State:
    """What a run changes: two networks, two optimizers, the average of G, and the run's own randomness."""

    def __init__(self, settings, device, precision, fast, G=None, D=None):
        self.settings, self.device, self.precision = settings, device, precision
        self.epoch, self.iterations = 0, 0
        self.random = None  # the random states of CPU and device between two iterations
        with self.own_randomness():
            torch.manual_seed(settings.seed)
            self.G = (G or Generator(settings.latent_dim, settings.hidden_G)).to(device)
            self.D = (D or Discriminator(settings.hidden_D, settings.dropout)).to(device)
            self.fixed_noise = self.noise(FIXED_IMAGES)
        if fast and D is None:
            self.D.layers = nn.Sequential(*(Dropout(x.p) if type(x) is nn.Dropout else x for x in self.D.layers))
        self.G_avg = copy.deepcopy(self.G) if settings.average else None
        adam = {"betas": settings.betas, "fused": fast and device.type in ("cpu", "cuda")}
        self.optimizer_D = torch.optim.Adam(self.D.parameters(), lr=settings.lr_D, **adam)
        self.optimizer_G = torch.optim.Adam(self.G.parameters(), lr=settings.lr_G, **adam)
        falling = (self.optimizer_D, self.optimizer_G) if settings.decay_steps else ()
        self.schedulers = [LambdaLR(optimizer, lambda t: 1 / (1 + t / settings.decay_steps)) for optimizer in falling]

    def noise(self, m):
        """z ~ N(0, I), (m, latent_dim)."""
        return torch.randn(m, self.settings.latent_dim, device=self.device)

    @contextmanager
    def own_randomness(self):
        """Inside, torch draws from this run's own random state; outside, nobody notices.

        So nothing that is drawn, shown or run between two iterations changes the run.
        """
        with ALONE:
            outer = random_states(self.device)
            try:
                if self.random:
                    random_states(self.device, self.random)
                yield
            finally:
                self.random = random_states(self.device)
                random_states(self.device, outer)

    def sampler(self):
        """The generator whose images are shown: the averaged one, if there is one."""
        return self.G_avg or self.G

    def draw(self):
        """The images of the fixed noise: (36, 1, 28, 28) in [-1, 1], on the CPU."""
        with torch.no_grad(), evaluating(self.sampler()):
            return self.sampler()(self.fixed_noise).float().cpu()

    @torch.no_grad()
    def after(self):
        """What follows an iteration: G_avg ← a G_avg + (1 − a) G, and the rates fall.

        a grows from 0.1 to `average`, to forget the first weights soon; BatchNorm's statistics are copied.
        """
        if self.G_avg is not None:
            t = self.iterations
            a = min(self.settings.average, (1 + t) / (10 + t))
            for mean, now in zip(self.G_avg.parameters(), self.G.parameters(), strict=True):
                mean.lerp_(now, 1 - a)
            for mean, now in zip(self.G_avg.buffers(), self.G.buffers(), strict=True):
                mean.copy_(now)
        for scheduler in self.schedulers:
            scheduler.step()
        self.iterations += 1

    def parts(self):
        parts = self.G, self.D, self.optimizer_G, self.optimizer_D, self.G_avg, *self.schedulers
        return [part for part in parts if part is not None]

    def state_dict(self):
        """All that `load_state_dict` needs to go on exactly here: dicts of tensors and numbers."""
        saved = {name: getattr(self, name) for name in ("epoch", "iterations", "random", "fixed_noise")}
        return copy.deepcopy(saved | {"parts": [part.state_dict() for part in self.parts()]})

    def load_state_dict(self, saved):
        saved = copy.deepcopy(saved)
        for part, values in zip(self.parts(), saved.pop("parts"), strict=True):
            part.load_state_dict(values)
        saved["fixed_noise"] = saved["fixed_noise"].to(self.device)
        for name, value in saved.items():
            setattr(self, name, value)


class Dropout(nn.Dropout):
    """nn.Dropout on a CPU with masks from random bytes, eight to a draw: p is rounded to a multiple of 1/256."""

    def forward(self, x):
        cut = round(256 * self.p)
        if not self.training or x.device.type != "cpu" or not 0 < cut < 256:
            return super().forward(x)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
        keep = words.view(torch.uint8)[: x.numel()].view(x.shape) >= cut
        return x * keep.to(x.dtype).mul_(256 / (256 - cut))


def random_states(device, states=None):
    """The states of the generators that draw for the device, the CPU's and its own; given some, these are set."""
    own = None if device.type == "cpu" else getattr(torch, device.type)
    if states is None:
        return torch.get_rng_state(), own and own.get_rng_state()
    torch.set_rng_state(states[0])
    if own:
        own.set_rng_state(states[1])


def has_bf16(device):
    """Whether the device has instructions for bf16: without them it is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    asked = getattr(torch.cpu, "get_capabilities", dict) if device.type == "cpu" else dict  # older torch has none
    return bool(asked().get("avx512_bf16") or asked().get("amx_bf16"))


def start(device=None, precision="auto", fast=True, G=None, D=None, **settings):
    """A new run's State: networks freshly initialised from the seed (or those given), nothing trained yet.

    precision: "fp32", "bf16", or "auto": bf16 where the device has instructions for it and `fast` is on.
    fast: Adam in one call, Dropout's masks from bytes; False: Algorithm 1 as the notebooks write it, in fp32.
    G, D: networks of your own; they are trained as they are. G's `latent_dim`, if it has one, is taken.
    """
    known = [field.name for field in fields(Settings)]
    if unknown := sorted(settings.keys() - set(known)):
        raise TypeError(f"Không có lựa chọn {', '.join(unknown)}. Hãy chọn trong: {', '.join(known)}.")
    for name, network in (("G", G), ("D", D)):
        if not isinstance(network, nn.Module | None):
            raise TypeError(f"{name} phải là một mạng đã tạo, ví dụ {name}=MyNetwork(); đã nhận {network!r:.60}.")
    device = torch.device(device or choose_device())
    if precision == "auto":
        precision = "bf16" if fast and has_bf16(device) else "fp32"
    if precision not in ("fp32", "bf16"):
        raise ValueError(f"precision phải là 'auto', 'fp32' hoặc 'bf16'; đã nhận {precision!r}.")
    if hasattr(G, "latent_dim"):
        settings.setdefault("latent_dim", G.latent_dim)
    return State(Settings(**settings), device, precision, fast, G, D)
