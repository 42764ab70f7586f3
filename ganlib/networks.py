"""The two networks, as notebook 02 builds them: stacks of linear layers with LeakyReLU between."""

from contextlib import contextmanager
from itertools import pairwise

from torch import nn

LATENT_DIM = 100
IMAGE_SHAPE = (1, 28, 28)
SLOPE = 0.2  # of LeakyReLU below zero


class Generator(nn.Module):
    """G: noise z (m, latent_dim) ~ N(0, I) -> images (m, 1, 28, 28) in [-1, 1], where Tanh ends."""

    def __init__(self, latent_dim=LATENT_DIM, hidden=(512, 512)):
        super().__init__()
        self.latent_dim = latent_dim
        layers = []
        for n, p in pairwise((latent_dim, *hidden)):
            layers += [nn.Linear(n, p), nn.LeakyReLU(SLOPE)]
        layers += [nn.Linear(hidden[-1], 28 * 28), nn.Tanh(), nn.Unflatten(1, IMAGE_SHAPE)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z):
        if z.shape[1:] != (self.latent_dim,):
            raise ValueError(
                f"G cần z có hình dạng (m, {self.latent_dim}): mỗi hàng một vector nhiễu; "
                f"đã nhận {tuple(z.shape)}. Hãy tạo bằng torch.randn(m, {self.latent_dim})."
            )
        return self.layers(z)


class Discriminator(nn.Module):
    """D: images (m, 1, 28, 28) in [-1, 1] -> one logit each, (m,); its sigmoid is D(x), near 1 for real."""

    def __init__(self, hidden=(512, 512), dropout=0.3):
        super().__init__()
        layers = [nn.Flatten()]
        for n, p in pairwise((28 * 28, *hidden)):
            layers += [nn.Linear(n, p), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)]
        layers += [nn.Linear(hidden[-1], 1), nn.Flatten(0)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        if x.shape[1:] != IMAGE_SHAPE:
            flat = x[0].numel() == 28 * 28 if len(x) else False
            advice = "đổi hình dạng bằng x.view(-1, 1, 28, 28)" if flat else "đổi kích thước ảnh, hoặc viết D của bạn"
            raise ValueError(f"D cần ảnh có hình dạng (m, 1, 28, 28); đã nhận {tuple(x.shape)}. Hãy {advice}.")
        return self.layers(x)


@contextmanager
def evaluating(*networks):
    """Inside, the networks are in eval mode (no Dropout, BatchNorm as learnt); then each layer as it was."""
    was = [(layer, layer.training) for network in networks for layer in network.modules()]
    try:
        for network in networks:
            network.eval()
        yield
    finally:
        for layer, training in was:
            layer.training = training
