"""Algorithm 1 of Goodfellow et al. 2014 (arXiv 1406.2661), and nothing else: losses, updates, iterations.

D returns logits; D(x) is their sigmoid. x: images (m, 1, 28, 28) in [-1, 1]; z: noise (m, latent_dim).
The numbers 1 … 6 are the write-up's steps. Notebook 03 writes these functions; its panel steps through them.
"""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy


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


def update_D(D, G, x, z, optimizer_D):
    """Steps 1–2: move θ_d once, up eqn3; θ_g stays. Returns loss_D before the move, without a graph."""
    optimizer_D.zero_grad()
    fake = G(z).detach()  # G(z) chỉ là dữ liệu: gradient không chảy về θ_g
    real_logit, fake_logit = D(x), D(fake)
    loss = loss_D(real_logit, fake_logit)  # âm eqn3
    loss.backward()
    optimizer_D.step()  # chỉ θ_d dịch chuyển
    return loss.detach()


def update_G(D, G, z, optimizer_G, loss_G=loss_G):
    """Steps 4–5: move θ_g once, down eqn4 or its substitute; θ_d stays. Returns loss_G before the move."""
    optimizer_G.zero_grad()
    fake_logit = D(G(z))  # không detach: gradient đi xuyên qua D về θ_g
    loss = loss_G(fake_logit)
    loss.backward()
    optimizer_G.step()  # chỉ θ_g dịch chuyển
    return loss.detach()


def iterations(
    D, G, optimizer_D, optimizer_G, images, noise, k=1, m=100, update_D=update_D, update_G=update_G
):
    """Yields (loss_D, loss_G) after each iteration, without end: whoever loops stops when they like.

    images: has a length N ≥ k·m and `batch(indices)`; noise(m): m fresh z. An epoch: ⌊N / (k·m)⌋ iterations.
    """
    while True:
        batches = iter(torch.randperm(len(images)).split(m))  # một thứ tự mới cho mỗi epoch
        for _ in range(len(images) // (k * m)):
            for _ in range(k):  # 3. D đi k bước, mỗi bước một batch mới
                z, x = noise(m), images.batch(next(batches))  # 1. lấy z, lấy x
                loss_of_D = update_D(D, G, x, z, optimizer_D)  # 2. leo dốc theo eqn3
            z = noise(m)  # 4. nhiễu mới
            loss_of_G = update_G(D, G, z, optimizer_G)  # 5. xuống dốc theo eqn4
            yield loss_of_D, loss_of_G  # 6. lặp lại từ bước 1
