"""What a run is set to: the default of notebook 04, the textbook recipe, the recipes of the recorded runs."""

from dataclasses import dataclass

from ganlib import check
from ganlib.networks import LATENT_DIM

LOSSES = ("non_saturating", "minimax")  # of G: see ganlib.algorithm


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run, given the images. Raises ValueError (Vietnamese) before any work."""

    seed: int = 0
    k: int = 1  # steps of D for each step of G (the paper: 1)
    m: int = 100  # images in a mini-batch (the authors' code: 100)
    lr_D: float = 1e-4
    lr_G: float = 4e-4
    betas: tuple = (0.5, 0.999)  # of Adam (the authors: SGD with momentum)
    average: float = 0.999  # G's weights averaged over the iterations with this decay (EMA); 0: no average
    loss: str = "non_saturating"  # or "minimax" (eqn4)
    hidden_G: tuple = (512, 512)
    hidden_D: tuple = (512, 512)
    dropout: float = 0.3
    latent_dim: int = LATENT_DIM

    def __post_init__(self):
        for name in ("k", "m", "latent_dim"):
            check.whole(name, getattr(self, name))
        check.whole("seed", self.seed, 0, 2**63 - 1)
        for name in ("lr_D", "lr_G"):
            check.positive(name, getattr(self, name))
        for name in ("hidden_G", "hidden_D"):
            check.widths(name, getattr(self, name))
        for name in ("dropout", "average"):
            value = getattr(self, name)
            check.require(check.is_number(value) and 0 <= value < 1, name, "số từ 0 đến dưới 1", value)
        check.require(
            len(self.betas) == 2 and all(type(beta) is float and 0 <= beta < 1 for beta in self.betas),
            "betas", "hai số thực từ 0 đến dưới 1, ví dụ (0.0, 0.99)", self.betas,
        )  # fmt: skip
        check.require(self.loss in LOSSES, "loss", " hoặc ".join(map(repr, LOSSES)), self.loss)


# The textbook recipe, one argument away: train(images, **PLAIN).
PLAIN = {
    "lr_D": 2e-4,
    "lr_G": 2e-4,
    "average": 0.0,
    "hidden_G": (256, 512, 1024),
    "hidden_D": (1024, 512, 256),
}

# The recipes of the recorded 100-epoch runs (notebook 05): one more layer each, a longer average, and a D
# that learns faster, for samples that are more diverse (recall), at a price in Fréchet (notebook 08).
DEEP = {"hidden_G": (512, 512, 512), "hidden_D": (512, 512, 512), "average": 0.9997}
RESULTS = {"mnist": DEEP | {"lr_D": 2e-4}, "fashion": DEEP | {"lr_D": 8e-4}}
