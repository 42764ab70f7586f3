"""Notebook 06: the best D, the JSD, the penalty R1; 07: log-likelihoods; 08: class shares, the Fréchet distance."""

import math

import torch
from torch import nn
from torch.nn.functional import softplus

from ganlib.exercises.checking import check, close, need
from ganlib.exercises.nb01_05 import gradient, judge, take


@check
def kiem_tra_p_g(p_g_from_D):
    """p_g_from_D(p_data, D): G's density, from that of the data and the answers of the best D."""
    p_data, p_g = torch.tensor([0.2, 3.0, 0.5, 0.7]), torch.tensor([0.2, 1.0, 2.0, 0.1])
    answer = torch.as_tensor(p_g_from_D(p_data, p_data / (p_data + p_g)))
    need(answer.shape == (4,), "Hàm nhận nhiều điểm và phải trả lời cho từng điểm.")
    need(close(answer[0], p_data[0]), "Chỗ D = 1/2, hai mật độ phải bằng nhau.")
    need(close(answer, p_g), "Viết công thức của D* ra giấy, rồi giải ngược lấy p_g.")


@check
def kiem_tra_JSD(jsd):
    """jsd(p, q): the Jensen-Shannon divergence, in nats, of two lists of probabilities."""
    p, q, left, right = torch.tensor([[5, 4, 1, 0], [1, 2, 7, 0], [10, 0, 0, 0], [0, 10, 0, 0]]) / 10
    value, apart = float(jsd(p, q)), float(jsd(left, right))
    need(math.isfinite(value + apart), "Chỗ xác suất bằng 0 cho ra nan hay inf; 0·log 0 phải tính là 0.")
    need(close(jsd(q, p), value), "Đổi chỗ p và q thì kết quả đổi theo; JSD thì đối xứng.")
    need(not close(apart, 1.0), "Bạn dùng log cơ số 2? Loạt bài này đo bằng nat.")
    need(not close(apart, 2 * math.log(2)), "Gấp đôi rồi: JSD là trung bình của hai KL.")
    mix, p_entropy, q_entropy = (-torch.xlogy(v, v).sum() for v in ((p + q) / 2, p, q))
    need(close(value, mix - (p_entropy + q_entropy) / 2), "Hãy so p, rồi q, với phân phối nằm chính giữa.")


@check
def kiem_tra_R1(update_D_R1):
    """update_D_R1(D, G, x, z, optimizer_D, gamma): one step of D down loss_D + R1; returns loss_D.

    R1 = gamma / 2 · mean ‖∇ logit(x)‖² over the real points x (Mescheder, Geiger, Nowozin 2018, section 4).
    """
    G, D = nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    for p in D.parameters():  # steeper than at first: the penalty is to be felt
        p.data *= 2
    z, x, gamma = torch.randn(20, 3), torch.randn(20, 2), 3.0

    def steepness(points):
        points = points.clone().requires_grad_()
        slope = torch.autograd.grad(D(points).sum(), points, create_graph=True)[0]
        return slope.square().sum(1) + 0 * D[2].bias  # which does not change it, but must get a gradient

    fake = G(z).detach()
    loss = softplus(-D(x)).mean() + softplus(D(fake)).mean()
    values = loss, steepness(x), steepness(fake), steepness(x).sqrt()
    plain, steep, steep_fake, root = (gradient(value.mean(), D) for value in values)
    step = take(update_D_R1, D, G, D, G, x, z, options=(gamma,))
    need(all(p.grad is None for p in G.parameters()), "Gradient chảy về θ_g. Ở đây G(z) chỉ là dữ liệu.")
    penalties = (
        (0 * steep, "D đi y như khi không phạt. Độ dốc có còn nối với θ_d không, hay đã thành con số chết?"),
        (-steep, "Ngược dấu: D đang được thưởng khi dốc hơn."),
        (2 * steep, "Phạt gấp đôi: công thức có 1/2."),
        (20 * steep, "Phạt gấp m lần: trong công thức là trung bình, không phải tổng."),
        (steep_fake, "Độ dốc đo ở điểm giả; R1 đo ở điểm thật."),
        (root, "Chuẩn của độ dốc phải được bình phương."),
    )
    mistakes = [(-plain - gamma / 2 * penalty, hint) for penalty, hint in penalties]
    judge(step, -plain - gamma / 2 * steep, -1, mistakes, loss, "loss_D chưa cộng phần phạt", look="")


@check
def kiem_tra_doi_thang(unit_score):
    """unit_score(score, d): the log-likelihood in [0, 1] of d pixels that got `score` in [-1, 1]."""
    for score, d in ((-300.0, 784), (-5.0, 10)):
        answer, shift = float(unit_score(score, d)), d * math.log(2)
        need(not close(answer, score - shift), "Đúng độ lệch, ngược chiều: giãn ra thì mật độ loãng đi.")
        need(not close(answer, score + d), "Bạn dùng log cơ số 2? Loạt bài này đo bằng nat.")
        need(close(answer, score + shift), f"Sai với d = {d}: mỗi chiều giãn gấp mấy, mật độ chia cho mấy?")


@check
def kiem_tra_parzen(log_p_others):
    """log_p_others(samples, sigma): (m,), nats: every sample under the windows around all the others."""
    samples, sigma = torch.rand(6, 3), 0.3
    answer = torch.as_tensor(log_p_others(samples, sigma))
    need(answer.shape == (6,), f"6 mẫu phải cho (6,), mỗi mẫu một số; đã nhận {tuple(answer.shape)}.")
    far = torch.as_tensor(log_p_others(10 * torch.eye(3, 784), 0.1))
    need(far.isfinite().all(), "Mẫu ở xa cho ra vô cực: exp bị làm tròn thành 0 trước khi kịp lấy log.")
    windows = torch.distributions.Normal(samples, sigma).log_prob(samples[:, None]).sum(2)
    everyone = windows.logsumexp(1)
    others = windows.fill_diagonal_(-math.inf).logsumexp(1)
    for n in (5, 6):
        need(not close(answer, everyone - math.log(n)), "Quả chuông quanh chính mẫu ấy vẫn còn trong tổng.")
    need(not close(answer, others - math.log(6)), "Trung bình trên bao nhiêu quả chuông, khi đã bỏ ra một?")
    need(not close(answer, others), "Mật độ là trung bình của các quả chuông, không phải tổng.")
    need(close(answer, others - math.log(5)), "Chưa đúng: so với log_p khi samples thiếu đi chính mẫu ấy.")


@check
def kiem_tra_KL(kl):
    """kl(q, r): KL(q ‖ r) in nats; q the shares that G draws, r the real ones."""
    q, r = torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.3, 0.2]])
    a, b = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    answer, right, swapped = float(kl(a, b)), *(float((u * (u / v).log()).sum()) for u, v in ((a, b), (b, a)))
    need(not close(answer, swapped), "Đó là KL(r ‖ q): ai đứng trước, G hay dữ liệu thật?")
    need(not close(answer, right / math.log(2)), "Bạn dùng log cơ số 2? Loạt bài này đo bằng nat.")
    need(close(answer, right), "Chưa đúng công thức, ngay cả khi G vẽ đủ mọi loại.")
    unseen = (q[:2] * (q[:2] / r[:2]).log()).sum()
    need(close(kl(q, r), unseen), "Loại mà G không bao giờ vẽ (q = 0) phải góp đúng 0, các loại khác vẫn như cũ.")


@check
def kiem_tra_frechet(frechet_diagonal):
    """frechet_diagonal(a, b): Σ over the columns of (μ_a − μ_b)² + (σ_a − σ_b)²; a (m, d), b (n, d)."""
    a, b = 2 * torch.randn(40, 3) + torch.tensor([1.0, -2.0, 0.0]), torch.randn(30, 3)
    moved, wider = frechet_diagonal(a, a + 2), frechet_diagonal(a, 3 * a - 2 * a.mean(0))
    need(close(moved, 12), "Dời cả đám mây 2 đơn vị ở mỗi chiều: mỗi chiều góp đúng 4, ba chiều là 12.")
    need(close(wider, 4 * a.var(0).sum()), "Đám mây nở gấp ba: so hai độ lệch chuẩn, không phải phương sai.")
    right = (a.mean(0) - b.mean(0)).square().sum() + (a.std(0) - b.std(0)).square().sum()
    need(close(frechet_diagonal(a, b), right), "Chưa đúng: mỗi chiều có trung bình và độ lệch chuẩn riêng.")
