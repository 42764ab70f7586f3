"""Notebook 01: bytes, batches; 02: parameters, noise, G; 03: Algorithm 1, its updates; 04: curves; 05: a record."""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import logsigmoid
from torch.nn.utils import parameters_to_vector

from ganlib.exercises.checking import check, close, need

M = 100  # images in a batch, as in the notebook: a solution may use its m
LOOK = " Đưa hàm này vào bảng điều khiển từng bước và xem hai ô θ."


@check
def kiem_tra_byte(byte_51, byte_204):
    """Bytes 51 and 204 after ToTensor and Normalize."""
    answer = [float(byte_51), float(byte_204)]
    need(not close(answer, [0.2, 0.8]), "Đó là hai số sau ToTensor. Còn phép thứ hai, Normalize.")
    need(not close(answer, [-0.3, 0.3]), "Bạn đã trừ trung bình. Sau đó Normalize còn một phép nữa.")
    need(close(answer, [-0.6, 0.6]), "Chia cho byte lớn nhất trước, rồi áp dụng công thức của Normalize.")


@check
def kiem_tra_so_batch(count_batches):
    """count_batches(n, m, drop_last) -> the batches of n images, m each, and the size of the last one."""
    for n, m, drop_last in ((60, 10, False), (60, 7, False), (60, 7, True), (60, 10, True)):
        sizes = [size for size in map(len, torch.arange(n).split(m)) if size == m or not drop_last]
        number, last = count_batches(n, m, drop_last)
        case = f"Thử {n} ảnh, m = {m}, drop_last = {drop_last}: hàm trả lời {number} batch"
        need(number == len(sizes), f"{case}. Chia thử ra giấy: có ảnh nào thừa ra không, chúng đi đâu?")
        need(last == sizes[-1], f"{case}, đúng rồi; nhưng batch cuối không có {last} ảnh.")


@check
def kiem_tra_ve_byte(to_bytes):
    """to_bytes(x): floats in [-1, 1], any shape -> the nearest bytes, uint8."""
    quarters = torch.arange(1021) / 4  # 0 … 255, four steps to a byte
    back = to_bytes((quarters / 255 - 0.5) / 0.5)
    need(back.dtype == torch.uint8, f"Byte có kiểu uint8; kết quả của bạn có kiểu {back.dtype}.")
    need(back[0] == 0 and back[-1] == 255, "Hai đầu chưa khớp: -1 phải thành 0, 1 phải thành 255.")
    off = back - quarters
    need(off.max() > 0.01, "Đổi sang uint8 là bỏ phần lẻ: 99.9 thành 99. Đề bài yêu cầu byte gần nhất.")
    need(off.abs().max() <= 0.51, f"Có chỗ lệch tới {off.abs().max():.1f} bậc. Hãy làm ngược từng phép.")
    need(to_bytes(torch.zeros(2, 1, 3)).shape == (2, 1, 3), "Hàm không được đổi hình dạng của ảnh.")


@check
def kiem_tra_so_tham_so(n_G, n_D):
    """The parameters of the paper's G, 100-1200-1200-784, and of its mirror image, 784-1200-1200-1."""
    for name, answer, sizes in (("G", n_G, (100, 1200, 1200, 784)), ("D", n_D, (784, 1200, 1200, 1))):
        weights = sum(n * k for n, k in pairwise(sizes))
        need(answer != weights, f"{name}: bạn mới đếm các trọng số W. Mỗi lớp còn gì nữa?")
        need(answer != weights + sum(sizes[:-1]), f"{name}: số hạng tự do b (bias) cộng vào đầu nào của mỗi lớp?")
        need(answer == weights + sum(sizes[1:]), f"{name}: chưa đúng. Tính từng lớp một rồi cộng lại.")


@check
def kiem_tra_nhieu_deu(uniform_noise):
    """uniform_noise(m, latent_dim): (m, latent_dim), uniform on (−√3, √3)."""
    z, again, edge = uniform_noise(500, 40), uniform_noise(500, 40), math.sqrt(3)
    need(z.shape == (500, 40), f"Cần hình dạng (m, latent_dim) = (500, 40); đã nhận {tuple(z.shape)}.")
    need(not torch.equal(z, again), "Gọi hai lần, hàm cho hai batch nhiễu giống hệt nhau.")
    need(not torch.equal(z[0], z[1]), "Các hàng giống hệt nhau: cả batch chỉ có một vector nhiễu.")
    need(abs(z.mean()) < 0.05, f"Trung bình phải gần 0; của bạn là {z.mean():.2f}.")
    need(z.abs().max() <= edge + 1e-5, f"Có số nằm ngoài (-√3, √3), chẳng hạn {z.abs().max():.2f}.")
    need(abs(z.var() - 1) < 0.05, f"Phương sai phải gần 1; của bạn là {z.var():.2f}.")
    inner = (z.abs() < edge / 2).float().mean()
    need(abs(inner - 0.5) < 0.03, f"Chưa đều: {inner:.0%} số nằm trong nửa giữa của khoảng.")


@check
def kiem_tra_G_sigmoid(sigmoid_G):
    """sigmoid_G(latent_dim): a generator with outputs in [0, 1], (m, 1, 28, 28), and not linear inside."""
    G, z = sigmoid_G(7), torch.randn(20, 7)
    with torch.no_grad():
        x, extreme = G(z), G(1000 * z)
        a, b, both, none = (torch.logit(G(v), 1e-7) for v in (z, z.flip(0), z + z.flip(0), 0 * z))
    need(x.shape == (20, 1, 28, 28), f"20 vector nhiễu phải cho (20, 1, 28, 28); đã nhận {tuple(x.shape)}.")
    low, high = extreme.min(), extreme.max()
    need(low >= 0 and high <= 1, f"Với z thật lớn, điểm ảnh ở {low:.2g} … {high:.2g}, ra ngoài [0, 1].")
    need(0.2 < x.mean() < 0.8, f"G chưa học mà điểm ảnh trung bình đã là {x.mean():.2g}, lệch về một đầu.")
    need((a + b - both - none).abs().max() > 1e-3, "Các lớp tuyến tính gộp lại thành một (Đính chính 3).")


def weights(network):
    return parameters_to_vector(network.parameters()).detach()


def gradient(value, network):
    return parameters_to_vector(torch.autograd.grad(value, list(network.parameters()), retain_graph=True))


def toy():
    """A small G and D that answer to their input, a batch z for G, and one of x. D rejects most images."""
    G = nn.Sequential(nn.Linear(6, 28 * 28), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Flatten(0))
    nn.init.constant_(D[3].bias, -2.0)  # at D = 1/2 the two losses of G would pull alike
    return G, D, torch.randn(M, 6), torch.rand(M, 1, 28, 28) * 2 - 1


def take(update, learner, rival, *given, maximize=False, options=()):
    """One update at learning rate 1: how far its learner went, and what it returned. The rival must stay."""
    theta, rest = weights(learner), weights(rival)
    for p in learner.parameters():  # of an earlier half: they add to the next ones unless they are cleared
        p.grad = torch.ones_like(p)
    optimizer = torch.optim.SGD(learner.parameters(), lr=1.0, maximize=maximize)
    value = update(*given, optimizer, *options)
    need(torch.equal(weights(rival), rest), "Mạng kia cũng đã đổi. Trong nửa vòng này, ai được phép đi?")
    return weights(learner) - theta, value


def judge(step, right, leftover, mistakes, value, name, look=LOOK):
    """Hold what `take` gave against the right way and value, and against typical mistakes, (way, hint)."""
    moved, returned = step
    need(
        not close(moved, 0 * right),
        f"Tham số cần học đứng yên. Ba việc với gradient và bộ tối ưu: đủ, đúng thứ tự chưa?{look}",
    )
    need(not close(moved, -right), "Đi đúng đường nhưng ngược chiều: hãy xem lại các dấu trừ.")
    need(not close(moved, M * right), "Bước đi dài gấp m lần: công thức có 1/m ở đầu.")
    need(not close(moved, right + leftover), f"Gradient của nửa vòng trước còn sót lại, lẫn vào bước này.{look}")
    for way, hint in mistakes:
        need(not close(moved, way), hint)
    need(close(moved, right), "Tham số đã đổi, nhưng không theo gradient của công thức trong đề bài.")
    need(
        not getattr(returned, "requires_grad", False),
        "Số trả về còn kéo theo cả đồ thị tính toán: hãy cắt nó ra.",
    )
    need(isinstance(returned, torch.Tensor), "Hãy trả về một tensor, không phải số của Python: `train` cần thế.")
    need(close(returned, value), f"Bước đi đúng rồi, nhưng hàm phải trả về {name}.")


def judge_D(update, sign, name):
    """A step of D up eqn3: by an optimizer that maximizes it (sign 1), or that descends its negative (−1)."""
    G, D, z, x = toy()
    real, fake = D(x), D(G(z).detach())
    on_real, on_fake = logsigmoid(real).mean(), logsigmoid(-fake).mean()
    eqn3, swapped = on_real + on_fake, logsigmoid(-real).mean() + logsigmoid(fake).mean()
    right, swapped, *halves = (gradient(value, D) for value in (eqn3, swapped, on_real, on_fake))
    step = take(update, D, G, D, G, x, z, maximize=sign == 1)
    need(all(p.grad is None for p in G.parameters()), "Gradient của θ_g không phải None: G(z) chỉ là dữ liệu (2a).")
    mistakes = [(half, "Mới có một nửa của eqn3: D học từ cả ảnh thật lẫn ảnh giả.") for half in halves]
    mistakes.append((swapped, "D đang học gọi ảnh thật là giả, ảnh giả là thật."))
    judge(step, right, sign, mistakes, sign * eqn3, name)


def judge_G(update, minimax, hint, name):
    """A step of G down eqn4 (minimax), or down the non-saturating loss; hint: if it goes down the other one."""
    G, D, z, _ = toy()
    logit = D(G(z))
    losses = -logsigmoid(logit).mean(), logsigmoid(-logit).mean()
    loss, other = reversed(losses) if minimax else losses
    right, wrong = -gradient(loss, G), -gradient(other, G)
    step = take(update, G, D, D, G, z)
    need(all(p.requires_grad for p in D.parameters()), "D bị khoá mà chưa mở lại: nửa vòng sau nó không học được.")
    zero = -right if minimax else -wrong  # where label 0 leads
    caught = "Ảnh giả đang mang nhãn 0: G học để bị bắt."
    judge(step, right, -1, [(wrong, hint), (zero, caught)], loss, name)


@check
def kiem_tra_k(iteration):
    """iteration(k, batches, step_D, step_G): k times step_D(x, z), then step_G(z), whose loss it returns."""
    for k in (1, 3):
        batches, steps = iter(torch.randn(2 * k + 1, M)), []  # more batches than it needs; what was given

        def step(*given, steps=steps):  # D's if two are given
            steps.append(given)
            return torch.tensor(0.7 * len(given))

        loss = iteration(k, batches, step, step)
        order, used = [len(given) for given in steps], 2 * k + 1 - len(list(batches))
        need(order.count(2) == k, f"k = {k} mà D đã đi {order.count(2)} bước trong một vòng lặp.")
        need(order.count(1) == 1, f"k = {k}: G đã đi {order.count(1)} bước; một vòng lặp chỉ có một.")
        need(order[-1] == 1, "G phải đi sau khi D đã đi đủ k bước (Đính chính 5).")
        need(len({x.sum().item() for x, _ in steps[:-1]}) == k, "D gặp lại batch cũ (Đính chính 4).")
        need(used == k, f"k = {k}: số batch đã lấy ra là {used}, không bằng số batch D dùng.")
        noises = {given[-1].sum().item() for given in steps}
        need(len(noises) == k + 1, "Có nhiễu z bị dùng lại: bước 1 và bước 4 nói gì?")
        need(close(loss, 0.7), "Hãy trả về loss mà bước của G trả về.")


@check
def kiem_tra_update_G(update_G_minimax):
    """update_G_minimax(D, G, z, optimizer_G): one step of G down eqn4; returns mean log(1 − D(G(z)))."""
    hint = "Lực kéo này là của loss không bão hoà. Xem lại eqn4 và Đính chính 7."
    judge_G(update_G_minimax, True, hint, "trung bình của log(1 - D(G(z)))")


@check
def kiem_tra_update_D(update_D_ascent):
    """update_D_ascent(D, G, x, z, optimizer_D): one step of D up eqn3 (maximize=True); returns eqn3."""
    judge_D(update_D_ascent, 1, "eqn3 (bỏ dấu ∇), một số âm")


@check
def kiem_tra_so_buoc_G(updates_of_G):
    """updates_of_G(n_images, m, k, n_epochs): how many steps G takes in all."""
    for n, m, k, n_epochs in ((60_000, 100, 1, 10), (60_000, 100, 3, 10), (1000, 64, 1, 3), (1000, 64, 2, 3)):
        answer, right = updates_of_G(n, m, k, n_epochs), n_epochs * (n // (k * m))
        case = f"{n:,} ảnh, m = {m}, k = {k}, {n_epochs} epoch: {answer}"
        need(answer != right / n_epochs, f"{case} mới là của một epoch.")
        need(k == 1 or answer != n_epochs * (n // m), f"{case}. Đổi k mà số bước của G không đổi?")
        need(
            answer <= right, f"{case} là quá nhiều. G đi một bước tốn mấy batch? Ảnh thừa thì bỏ, không có nửa bước."
        )
        need(answer == right, f"{case} là quá ít. Một epoch có bao nhiêu lần k batch?")


@check
def kiem_tra_lam_muot(smooth):
    """smooth(values, decay): the moving average of a list, as a list; it starts at the first value."""
    given = (3.0, 1.0, 1.0, 5.0)
    answer, flat = (list(smooth(list(values), a)) for values, a in ((given, 0.75), ([2.0] * 5, 0.9)))
    need(len(answer) == 4, f"Vào 4 số thì ra 4 số; hàm trả về {len(answer)}.")
    need(close(flat, [2.0] * 5), "Làm mượt một đường nằm ngang thì nó phải y nguyên, ngay từ số đầu tiên.")
    need(close(answer, [3.0, 2.5, 2.125, 2.84375]), "Tính tay ba số đầu với a = 0.75 rồi so với hàm của bạn.")


@check
def kiem_tra_epoch_tot(best_epoch):
    """best_epoch(scores, lowest): the epoch, from 1 on, of the lowest (or highest) score that is not nan."""
    nan = float("nan")
    for sign, lowest in ((1, True), (1, False), (-1, True), (-1, False)):
        scores = sign * torch.tensor([nan, 4.0, nan, 2.0, 8.0, nan])
        answer, right = best_epoch(scores, lowest), 4 if lowest == (sign == 1) else 5
        asked = f"Điểm {scores.tolist()}, lowest = {lowest}: hàm trả lời {answer}"
        need(answer not in (1, 3, 6), f"{asked}. Epoch ấy có được chấm không? Epoch đầu mang số mấy?")
        need(answer == right, f"{asked}. Hãy tìm bằng mắt: đó là epoch thứ mấy, đếm từ 1?")
