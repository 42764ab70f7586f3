"""What students write in the class edition of notebooks 02, 03 and 04: the two networks, the updates, the loop.

The checks follow each blank there; the committed notebooks, the teacher's, need none of them.
"""

from torch.nn.functional import logsigmoid

from ganlib import networks
from ganlib.exercises.checking import check, need
from ganlib.exercises.nb03_algorithm import gradient, judge, take, toy


def same_layers(mine, right, hints):
    """One by one: kind, shapes, settings; a hint at the first layer that is not as it should be."""
    mine, right = list(mine.layers), list(right.layers)
    need(mine, "Mạng chưa có lớp nào: hãy thêm các lớp vào danh sách.")
    for i, layer in enumerate(right):
        hint = hints[type(layer).__name__]
        need(i < len(mine), f"Mới có {i} lớp, còn thiếu. {hint}")
        need(str(mine[i]) == str(layer), f"Lớp thứ {i + 1} đang là {mine[i]}. {hint}")
    need(len(mine) == len(right), f"Thừa lớp: {mine[-1]} ở cuối để làm gì?")


@check
def kiem_tra_G(Generator):
    """Generator(latent_dim, hidden): z (m, latent_dim) -> images (m, 1, 28, 28) in [-1, 1]."""
    for options in ((5, (7, 6)), (4, (8,))):
        hints = {
            "Linear": "Lớp tuyến tính nối hai kích thước đứng cạnh nhau trong (latent_dim, *hidden, 784).",
            "LeakyReLU": f"Sau mỗi lớp ẩn là hàm kích hoạt của bài, độ dốc {networks.SLOPE}.",
            "Tanh": "Điểm ảnh phải nằm trong [-1, 1] (Đính chính 6).",
            "Unflatten": "784 số còn phải xếp lại thành ảnh (1, 28, 28).",
        }
        same_layers(Generator(*options), networks.Generator(*options), hints)


@check
def kiem_tra_D(Discriminator):
    """Discriminator(hidden, dropout): images (m, 1, 28, 28) -> logits (m,)."""
    for options in (((7, 6), 0.1), ((8,), 0.4)):
        hints = {
            "Linear": "Lớp tuyến tính nối hai kích thước đứng cạnh nhau trong (784, *hidden, 1).",
            "LeakyReLU": f"Sau mỗi lớp tuyến tính ẩn là hàm kích hoạt của bài, độ dốc {networks.SLOPE}.",
            "Dropout": "Sau mỗi hàm kích hoạt ẩn, D tắt ngẫu nhiên một phần số nơ-ron (dropout).",
            "Flatten": "Ảnh phải duỗi thành 784 số lúc vào; lúc ra, (m, 1) còn (m).",
        }
        same_layers(Discriminator(*options), networks.Discriminator(*options), hints)


@check
def kiem_tra_buoc_D(update_D):
    """update_D(D, G, x, z, optimizer_D): one step of D down minus eqn3; returns that loss."""
    G, D, z, x = toy()
    real, fake = D(x), D(G(z).detach())
    on_real, on_fake = -logsigmoid(real).mean(), -logsigmoid(-fake).mean()
    downs = [-gradient(value, D) for value in (on_real + on_fake, on_real, on_fake)]
    swapped = -gradient(-logsigmoid(-real).mean() - logsigmoid(fake).mean(), D)
    step = take(update_D, D, G, D, G, x, z)
    cut = all(p.grad is None for p in G.parameters())
    need(cut, "Gradient của θ_g không phải None. Trong nửa vòng của D, G(z) chỉ là dữ liệu (2a).")
    mistakes = [(down, "Mới có một nửa của eqn3: D học từ cả ảnh thật lẫn ảnh giả.") for down in downs[1:]]
    mistakes.append((swapped, "D đang học gọi ảnh thật là giả, ảnh giả là thật."))
    judge(step, downs[0], -1, mistakes, on_real + on_fake, "loss của D")


@check
def kiem_tra_buoc_G(update_G):
    """update_G(D, G, z, optimizer_G): one step of G down the non-saturating loss; returns that loss."""
    G, D, z, _ = toy()
    logit = D(G(z))
    loss = -logsigmoid(logit).mean()
    down, eqn4 = -gradient(loss, G), -gradient(logsigmoid(-logit).mean(), G)
    step = take(update_G, G, D, D, G, z)
    free = all(p.requires_grad for p in D.parameters())
    need(free, "D bị khoá mà chưa mở lại: ở nửa vòng sau nó không học được gì.")
    hint = "Lực kéo này là của eqn4. Bài dùng loss không bão hoà: ảnh giả mang nhãn 1 (Đính chính 7)."
    judge(step, down, -1, [(eqn4, hint)], loss, "loss của G")


@check
def kiem_tra_vong_lap(optimizer_D, optimizer_G, batches, k, turns):
    """After the loop: who stepped how often in `turns` iterations, and whether D met every batch."""
    steps_D, steps_G = (steps(one) for one in (optimizer_D, optimizer_G))
    need(steps_G, "G chưa đi bước nào: gọi update_G ở bước 5.")
    need(steps_D, "D chưa đi bước nào: gọi update_D ở bước 2.")
    need(steps_G == turns, f"{turns} vòng lặp mà G đã đi {steps_G} bước: một vòng lặp chỉ có một.")
    need(steps_D == k * turns, f"k = {k}, {turns} vòng lặp mà D đã đi {steps_D} bước.")
    need(not list(batches), "D chưa gặp hết các batch: mỗi bước của D lấy một batch mới (Đính chính 4).")


def steps(optimizer):
    """How many steps Adam has taken."""
    return max((int(state["step"]) for state in optimizer.state.values()), default=0)
