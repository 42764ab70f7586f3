"""The two networks, as notebook 02 builds them: stacks of linear layers with LeakyReLU between."""

from itertools import pairwise

from torch import nn

from ganlib import check

LATENT_DIM = 100
IMAGE_SHAPE = (1, 28, 28)
SLOPE = 0.2  # of LeakyReLU below zero


class Generator(nn.Module):
    """G: noise z (m, latent_dim) ~ N(0, I) -> images (m, 1, 28, 28) in [-1, 1], where Tanh ends.

    Raises TypeError or ValueError (Vietnamese) if z is no tensor or has another shape.
    """

    def __init__(self, latent_dim=LATENT_DIM, hidden=(512, 512)):
        super().__init__()
        check.whole("latent_dim", latent_dim)
        check.widths("hidden", hidden)
        self.latent_dim = latent_dim
        layers = []
        for n, k in pairwise((latent_dim, *hidden)):
            layers += [nn.Linear(n, k), nn.LeakyReLU(SLOPE)]
        layers += [nn.Linear(hidden[-1], 28 * 28), nn.Tanh(), nn.Unflatten(1, IMAGE_SHAPE)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z):
        check.tensor("z", z)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(
                f"G cần z có hình dạng (m, {self.latent_dim}): mỗi hàng một vector nhiễu; "
                f"đã nhận {tuple(z.shape)}. Hãy tạo bằng torch.randn(m, {self.latent_dim})."
            )
        return self.layers(z)


class Discriminator(nn.Module):
    """D: images (m, 1, 28, 28) in [-1, 1] -> one logit each, (m,); its sigmoid is D(x), near 1 for real.

    Dropout works only in train mode. Raises TypeError or ValueError (Vietnamese): no tensor, another shape,
    on a CPU also another range (a GPU would have to be waited for).
    """

    def __init__(self, hidden=(512, 512), dropout=0.3):
        super().__init__()
        check.widths("hidden", hidden)
        check.require(check.is_number(dropout) and 0 <= dropout < 1, "dropout", "số từ 0 đến dưới 1", dropout)
        layers = [nn.Flatten()]
        for n, k in pairwise((28 * 28, *hidden)):
            layers += [nn.Linear(n, k), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)]
        layers += [nn.Linear(hidden[-1], 1), nn.Flatten(0)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        check_images(x)
        return self.layers(x)


def check_images(x):
    """Raises unless x is (m, 1, 28, 28) in [-1, 1]; the message says what to do. NaN passes: see `train`."""
    check.tensor("x", x)
    if x.ndim != 4 or x.shape[1:] != IMAGE_SHAPE:
        advice = "Hãy đổi hình dạng bằng x.view(-1, 1, 28, 28)."
        if x.ndim == 4 and x.shape[1] == 3:
            advice = "Ảnh của MNIST và FashionMNIST là ảnh xám: chỉ một kênh, không phải ba."
        raise ValueError(f"D cần ảnh có hình dạng (m, 1, 28, 28); đã nhận {tuple(x.shape)}. {advice}")
    if x.device.type != "cpu" or len(x) == 0:
        return
    low, high = x.detach().aminmax()
    if low < -1 or high > 1:
        raise ValueError(
            f"D cần ảnh trong khoảng [-1, 1]; đã nhận từ {float(low):.3g} đến {float(high):.3g}. "
            "Hãy dùng ganlib.data.transform (ToTensor rồi Normalize), hoặc ganlib.data.to_float."
        )
