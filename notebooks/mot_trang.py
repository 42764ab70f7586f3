# 1. Ảnh
import copy

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torchvision import datasets
from torchvision.utils import save_image

torch.manual_seed(0)
pixels = datasets.MNIST("../data", download=True).data  # (60000, 28, 28), byte 0 … 255
images = pixels.unsqueeze(1) / 127.5 - 1  # (60000, 1, 28, 28), trong [-1, 1]

# 2. G
latent_dim = 100
G = nn.Sequential(
    nn.Linear(latent_dim, 512), nn.LeakyReLU(0.2), nn.Linear(512, 512), nn.LeakyReLU(0.2),
    nn.Linear(512, 28 * 28), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)),
)  # fmt: skip

# 3. D
D = nn.Sequential(
    nn.Flatten(), nn.Linear(28 * 28, 512), nn.LeakyReLU(0.2), nn.Dropout(0.1),
    nn.Linear(512, 512), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(512, 1), nn.Flatten(0),
)  # fmt: skip


# 4. Vòng lặp
def update_D(D, G, x, z, optimizer_D):
    optimizer_D.zero_grad()
    real_logit, fake_logit = D(x), D(G(z).detach())
    loss = bce(real_logit, torch.ones_like(real_logit)) + bce(fake_logit, torch.zeros_like(fake_logit))
    loss.backward()
    optimizer_D.step()
    return loss.detach()


def update_G(D, G, z, optimizer_G):
    optimizer_G.zero_grad()
    fake_logit = D(G(z))
    loss = bce(fake_logit, torch.ones_like(fake_logit))
    loss.backward()
    optimizer_G.step()
    return loss.detach()


optimizer_D = torch.optim.Adam(D.parameters(), lr=3e-4, betas=(0.0, 0.99))
optimizer_G = torch.optim.Adam(G.parameters(), lr=1.2e-3, betas=(0.0, 0.99))
G_avg = copy.deepcopy(G)
for epoch in range(3):
    for indices in torch.randperm(len(images)).split(100):
        x, m = images[indices], len(indices)
        loss_D = update_D(D, G, x, torch.randn(m, latent_dim), optimizer_D)
        loss_G = update_G(D, G, torch.randn(m, latent_dim), optimizer_G)
        for mean, now in zip(G_avg.parameters(), G.parameters(), strict=True):
            mean.data.lerp_(now.data, 0.01)  # EMA: 99% cái cũ, 1% cái mới
    print(f"epoch {epoch + 1}: loss_D {loss_D:.3f}, loss_G {loss_G:.3f}")

# 5. Bức tranh
save_image(G_avg(torch.randn(100, latent_dim)), "mot_trang.png", nrow=10, normalize=True, value_range=(-1, 1))
