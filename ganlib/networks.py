"""The two networks, as notebook 02 builds them: stacks of linear layers with LeakyReLU between."""

from itertools import pairwise

import torch
from torch import nn

from ganlib import checks

LATENT_DIM = 100
IMAGE_SHAPE = (1, 28, 28)
SLOPE = 0.2  # of LeakyReLU below zero


class Generator(nn.Module):
    """G: noise z (m, latent_dim) ~ N(0, I) -> images (m, 1, 28, 28) in [-1, 1], where Tanh ends.

    Raises ValueError (Vietnamese) if z has another shape.
    """

    def __init__(self, latent_dim=LATENT_DIM, hidden=(512, 512)):
        super().__init__()
        checks.whole("latent_dim", latent_dim, 1, 100_000)
        checks.widths("hidden", hidden)
        self.latent_dim = latent_dim
        layers = []
        for wide_in, wide_out in pairwise((latent_dim, *hidden)):
            layers += [nn.Linear(wide_in, wide_out), nn.LeakyReLU(SLOPE)]
        layers += [nn.Linear(hidden[-1], 28 * 28), nn.Tanh(), nn.Unflatten(1, IMAGE_SHAPE)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z):
        check_tensor("z", z, self.layers[0].weight)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(
                f"G cần z có kích thước (m, {self.latent_dim}): mỗi hàng một vector nhiễu; "
                f"đã nhận {tuple(z.shape)}. Hãy tạo bằng torch.randn(m, {self.latent_dim})."
            )
        return self.layers(z)


class Dropout(nn.Dropout):
    """nn.Dropout, three times faster on a CPU: it cuts its masks from random bytes, eight bytes to a draw.

    There p is rounded to a multiple of 1/256 (0.3 is 77/256).
    """

    def forward(self, x):
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return super().forward(x)
        cut = min(round(256 * self.p), 255)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
        keep = words.view(torch.uint8)[: x.numel()].view(x.shape) >= cut
        return x * keep.to(x.dtype).mul_(256 / (256 - cut))


class Discriminator(nn.Module):
    """D: images (m, 1, 28, 28) in [-1, 1] -> one logit each, (m,); its sigmoid is D(x), near 1 for real.

    Dropout works only in train mode. Raises ValueError (Vietnamese) on another shape or range.
    """

    def __init__(self, hidden=(512, 512), dropout=0.3):
        super().__init__()
        checks.widths("hidden", hidden)
        ok = checks.is_number(dropout) and 0 <= dropout <= 1
        checks.require(ok, "dropout", "một số từ 0 đến 1", dropout)
        layers = [nn.Flatten()]
        for wide_in, wide_out in pairwise((28 * 28, *hidden)):
            layers += [nn.Linear(wide_in, wide_out), nn.LeakyReLU(SLOPE), Dropout(dropout)]
        layers += [nn.Linear(hidden[-1], 1), nn.Flatten(0)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        check_tensor("x", x, self.layers[1].weight)
        check_images(x)
        return self.layers(x)


def check_tensor(name, x, weight):
    """Raises TypeError or ValueError unless x is a tensor of the weight's type, on its device."""
    checks.tensor(name, x)
    if x.device != weight.device:
        raise ValueError(f"{name} nằm trên {x.device} nhưng mạng nằm trên {weight.device}: hãy dùng .to(…).")
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        raise TypeError(f"{name} có kiểu {x.dtype}, mạng tính bằng {weight.dtype}: hãy đổi bằng .float().")


def check_images(x):
    """Raises ValueError unless x is (m, 1, 28, 28) in [-1, 1]; the message says what to do."""
    if x.ndim != 4 or x.shape[1:] != IMAGE_SHAPE:
        advice = "Hãy đổi hình dạng bằng x.view(-1, 1, 28, 28)."
        if x.ndim == 4 and x.shape[1] == 3:
            advice = "Ảnh của MNIST và FashionMNIST là ảnh xám: chỉ một kênh, không phải ba."
        raise ValueError(f"D cần ảnh có kích thước (m, 1, 28, 28); đã nhận {tuple(x.shape)}. {advice}")
    low, high = x.detach().aminmax() if len(x) else (x.new_tensor(-1.0), x.new_tensor(1.0))
    if low < -1 or high > 1:  # NaN passes: `train` explains where that comes from
        raise ValueError(
            f"D cần ảnh trong khoảng [-1, 1]; đã nhận từ {float(low):.3g} đến {float(high):.3g}. "
            "Hãy dùng ganlib.data.transform (ToTensor rồi Normalize), hoặc ganlib.data.to_float."
        )
