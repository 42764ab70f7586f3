"""The checks of the blanks in the class edition (02 … 04), beside which it lies: networks, updates, loop."""

from ganlib import networks
from ganlib.exercises.checking import check, need
from ganlib.exercises.nb01_05 import judge_D, judge_G

HINTS = {  # by the kind of layer
    "LeakyReLU": f"Sau mỗi lớp tuyến tính ẩn là hàm kích hoạt của bài, độ dốc {networks.SLOPE}.",
    "Tanh": "Điểm ảnh phải nằm trong [-1, 1] (Đính chính 6).",
    "Unflatten": "784 số còn phải xếp lại thành ảnh (1, 28, 28).",
    "Dropout": "Sau mỗi hàm kích hoạt ẩn, D tắt ngẫu nhiên một phần số nơ-ron (dropout).",
    "Flatten": "Ảnh phải duỗi thành 784 số lúc vào; lúc ra là logit, không qua Sigmoid, (m, 1) còn (m).",
}


def same_layers(mine, right, sizes):
    """One by one: kind, shapes, settings; a hint at the first layer that is not as it should be."""
    mine, right = list(mine.layers), list(right.layers)
    linear = f"Lớp tuyến tính nối hai kích thước đứng cạnh nhau trong {sizes}."
    for i, layer in enumerate(right):
        hint = HINTS.get(type(layer).__name__, linear)
        need(i < len(mine), f"Mới có {i} lớp, còn thiếu. {hint}")
        need(str(mine[i]) == str(layer), f"Lớp thứ {i + 1} đang là {mine[i]}. {hint}")
    need(len(mine) == len(right), f"Thừa lớp: {mine[-1]} ở cuối để làm gì?")


@check
def kiem_tra_G(Generator):
    """Generator(latent_dim, hidden): z (m, latent_dim) -> images (m, 1, 28, 28) in [-1, 1]."""
    for options in ((5, (7, 6)), (4, (8,))):
        same_layers(Generator(*options), networks.Generator(*options), "(latent_dim, *hidden, 784)")


@check
def kiem_tra_D(Discriminator):
    """Discriminator(hidden, dropout): images (m, 1, 28, 28) -> logits (m,)."""
    for options in (((7, 6), 0.1), ((8,), 0.4)):
        same_layers(Discriminator(*options), networks.Discriminator(*options), "(784, *hidden, 1)")


@check
def kiem_tra_buoc_D(update_D):
    """update_D(D, G, x, z, optimizer_D): one step of D down minus eqn3; returns that loss."""
    judge_D(update_D, -1, "loss của D")


@check
def kiem_tra_buoc_G(update_G):
    """update_G(D, G, z, optimizer_G): one step of G down the non-saturating loss; returns that loss."""
    hint = "Lực kéo này là của eqn4. Bài dùng loss không bão hoà: ảnh giả mang nhãn 1 (Đính chính 7)."
    judge_G(update_G, False, hint, "loss của G")


@check
def kiem_tra_vong_lap(optimizer_D, optimizer_G, batches, k, turns, loss_D):
    """After the loop: who stepped how often in `turns` iterations, in turn, and whether D met every batch."""
    optimizers = optimizer_D, optimizer_G
    steps_D, steps_G = (max((int(s["step"]) for s in one.state.values()), default=0) for one in optimizers)
    need(steps_G == turns, f"{turns} vòng lặp mà G đã đi {steps_G} bước: mỗi vòng gọi update_G một lần (bước 5).")
    need(steps_D == k * turns, f"{turns} vòng lặp, k = {k}, mà D đã đi {steps_D} bước: gọi update_D ở bước 2.")
    need(not list(batches), "D chưa gặp hết các batch: mỗi bước của D lấy một batch mới (Đính chính 4).")
    need(loss_D > 0.1, "loss_D gần 0: D đã đi hết các batch rồi G mới đi? Mỗi vòng lặp, D chỉ đi k bước.")
