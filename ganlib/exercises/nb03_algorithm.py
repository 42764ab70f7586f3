"""Notebook 03: one iteration of Algorithm 1, and the two updates the other way round."""

import torch
from torch import nn
from torch.nn.functional import logsigmoid
from torch.nn.utils import parameters_to_vector

from ganlib.exercises.checking import check, close, need

M = 100  # images in a batch, as in the notebook: a solution may use its m

LOOK = "Đưa hàm này vào bảng điều khiển từng bước và xem hai ô θ, lúc"


def toy():
    """A small G and D that answer to their input, a batch z for G, and one of x. D rejects most images."""
    G = nn.Sequential(nn.Linear(6, 28 * 28), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Flatten(0))
    nn.init.constant_(D[3].bias, -2.0)  # at D = 1/2 the two losses of G would pull alike
    return G, D, torch.randn(M, 6), torch.rand(M, 1, 28, 28) * 2 - 1


def weights(network):
    return parameters_to_vector(network.parameters()).detach()


def gradient(value, network):
    return parameters_to_vector(torch.autograd.grad(value, list(network.parameters()), retain_graph=True))


def judge(moved, right, leftover, mistakes):
    """Hold how far the weights went (learning rate 1) against the right way and against typical mistakes."""
    need(
        not close(moved, 0 * right),
        f"Tham số cần học vẫn đứng yên: gradient có về đến nơi không? {LOOK} lan truyền ngược.",
    )
    need(not close(moved, -right), "Đi đúng đường nhưng ngược chiều: hãy xem lại các dấu trừ.")
    need(not close(moved, M * right), "Bước đi dài gấp m lần: công thức có 1/m ở đầu.")
    need(
        not close(moved, right + leftover),
        f"Gradient của nửa vòng trước còn sót lại và lẫn vào bước này. {LOOK} bắt đầu hàm.",
    )
    for way, hint in mistakes:
        need(not close(moved, way), hint)
    need(close(moved, right), "Tham số đã đổi, nhưng không theo gradient của công thức trong đề bài.")


def play(iteration, k):
    """One iteration on 2k + 1 batches: its loss, the steps (who, z, x), and how many batches are left."""
    batches, steps = iter(torch.randn(2 * k + 1, M)), []

    def step_D(x, z):
        steps.append(("D", z, x))
        return torch.tensor(1.4)

    def step_G(z):
        steps.append(("G", z, None))
        return torch.tensor(0.7)

    return iteration(k, batches, step_D, step_G), steps, len(list(batches))


@check
def kiem_tra_k(iteration):
    """iteration(k, batches, step_D, step_G): k times step_D(x, z), then step_G(z), whose loss it returns."""
    for k in (1, 3):
        loss, steps, left = play(iteration, k)
        order = "".join(who for who, _, _ in steps)
        need(order.count("D") == k, f"k = {k} mà D đã đi {order.count('D')} bước trong một vòng lặp.")
        need(order.count("G") == 1, f"k = {k}: G đã đi {order.count('G')} bước; một vòng lặp chỉ có một.")
        need(order[-1] == "G", "G phải đi sau khi D đã đi đủ k bước (Đính chính 5).")
        need(len({x.sum().item() for _, _, x in steps[:-1]}) == k, "D gặp lại batch cũ (Đính chính 4).")
        need(left == k + 1, f"k = {k}: số batch đã lấy ra là {2 * k + 1 - left}, không bằng số batch D dùng.")
        fresh = len({z.sum().item() for _, z, _ in steps}) == k + 1
        need(fresh, "Có nhiễu z bị dùng lại: bước 1 và bước 4 nói gì?")
        need(close(loss, 0.7), "Hãy trả về loss mà bước của G trả về.")


@check
def kiem_tra_update_G(update_G_minimax):
    """update_G_minimax(D, G, z, optimizer_G): one step of G down eqn4; returns mean log(1 − D(G(z)))."""
    G, D, z, _ = toy()
    logit, theta_d, theta_g = D(G(z)), weights(D), weights(G)
    eqn4 = logsigmoid(-logit).mean()
    down, other = -gradient(eqn4, G), gradient(logsigmoid(logit).mean(), G)
    for p in G.parameters():  # of an earlier half: they add to the next ones unless they are cleared
        p.grad = torch.ones_like(p)
    value = update_G_minimax(D, G, z, torch.optim.SGD(G.parameters(), lr=1.0))
    need(
        torch.equal(weights(D), theta_d),
        f"θ_d đã đổi. Trong nửa vòng của G, ai được phép đi? {LOOK} bộ tối ưu cập nhật.",
    )
    free = all(p.requires_grad for p in D.parameters())
    need(free, "D bị khoá mà chưa mở lại: ở nửa vòng sau nó không học được gì.")
    hint = "Lực kéo này là của loss không bão hoà. Xem lại eqn4 và Đính chính 7."
    judge(weights(G) - theta_g, down, -1, [(other, hint)])
    need(not getattr(value, "requires_grad", False), "Số trả về còn kéo theo cả đồ thị tính toán.")
    need(close(value, eqn4), "G đi đúng rồi, nhưng hàm phải trả về trung bình của log(1 - D(G(z))).")


@check
def kiem_tra_update_D(update_D_ascent):
    """update_D_ascent(D, G, x, z, optimizer_D): one step of D up eqn3 (maximize=True); returns eqn3."""
    G, D, z, x = toy()
    real, fake, theta_d, theta_g = D(x), D(G(z).detach()), weights(D), weights(G)
    on_real, on_fake = logsigmoid(real).mean(), logsigmoid(-fake).mean()
    ups = [gradient(value, D) for value in (on_real + on_fake, on_real, on_fake)]
    swapped = gradient(logsigmoid(-real).mean() + logsigmoid(fake).mean(), D)
    for p in D.parameters():  # of an earlier half: they add to the next ones unless they are cleared
        p.grad = torch.ones_like(p)
    value = update_D_ascent(D, G, x, z, torch.optim.SGD(D.parameters(), lr=1.0, maximize=True))
    need(
        torch.equal(weights(G), theta_g),
        f"θ_g đã đổi. Trong nửa vòng của D, ai được phép đi? {LOOK} bộ tối ưu cập nhật.",
    )
    cut = all(p.grad is None for p in G.parameters())
    need(cut, "Gradient của θ_g không phải None. Trong nửa vòng này, G(z) chỉ là dữ liệu (2a).")
    mistakes = [(up, "Mới có một nửa của eqn3: D học từ cả ảnh thật lẫn ảnh giả.") for up in ups[1:]]
    mistakes.append((swapped, "D đang học gọi ảnh thật là giả, ảnh giả là thật."))
    judge(weights(D) - theta_d, ups[0], 1, mistakes)
    need(not getattr(value, "requires_grad", False), "Số trả về còn kéo theo cả đồ thị tính toán.")
    need(close(value, on_real + on_fake), "D đi đúng rồi, nhưng hàm phải trả về eqn3 (bỏ dấu ∇), một số âm.")
