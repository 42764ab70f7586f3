"""Notebook 06: the best D, the Jensen-Shannon divergence, the gradient penalty R1."""

import math

import torch
from torch import nn
from torch.nn.functional import softplus

from ganlib.exercises.checking import check, close, need
from ganlib.exercises.nb03_algorithm import gradient, weights


@check
def kiem_tra_p_g(p_g_from_D):
    """p_g_from_D(p_data, D): G's density, from that of the data and the answers of the best D."""
    p_data, p_g = torch.tensor([0.2, 3.0, 0.5, 0.7]), torch.tensor([0.2, 1.0, 2.0, 0.1])
    answer = torch.as_tensor(p_g_from_D(p_data, p_data / (p_data + p_g)))
    need(answer.shape == (4,), "Hàm nhận nhiều điểm và phải trả lời cho từng điểm.")
    need(answer.min() >= 0, "Mật độ không bao giờ âm.")
    need(close(answer[0], p_data[0]), "Chỗ D = 1/2, hai mật độ phải bằng nhau.")
    need(answer[1] < p_data[1], "Chỗ D nghiêng về phía thật, ảnh giả phải thưa hơn ảnh thật.")
    need(close(answer, p_g), "Viết công thức của D* ra giấy, rồi giải ngược lấy p_g.")


@check
def kiem_tra_JSD(jsd):
    """jsd(p, q): the Jensen-Shannon divergence, in nats, of two lists of probabilities."""
    p, q, left, right = torch.tensor([[5, 4, 1, 0], [1, 2, 7, 0], [10, 0, 0, 0], [0, 10, 0, 0]]) / 10
    value, apart = float(jsd(p, q)), float(jsd(left, right))
    need(math.isfinite(value + apart), "Chỗ xác suất bằng 0 cho ra nan hay inf; 0·log 0 phải tính là 0.")
    need(close(jsd(p, p), 0.0), "Hai phân phối giống hệt nhau thì phải cách nhau 0.")
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
    G = nn.Linear(3, 2)
    D = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    with torch.no_grad():
        for p in D.parameters():  # steeper than at first: the penalty is to be felt
            p *= 2
    z, x, gamma = torch.randn(20, 3), torch.randn(20, 2), 3.0

    def steepness(points, of=lambda logit: logit):
        points = points.clone().requires_grad_()
        slope = torch.autograd.grad(of(D(points)).sum(), points, create_graph=True)[0]
        return slope.square().sum(1) + 0 * D[2].bias  # which does not change it, but must get a gradient

    fake = G(z).detach()
    loss = softplus(-D(x)).mean() + softplus(D(fake)).mean()
    plain, steep = gradient(loss, D), gradient(steepness(x).mean(), D)
    away = gradient(steepness(fake).mean(), D)
    answers = gradient(steepness(x, torch.sigmoid).mean(), D)
    root = gradient(steepness(x).sqrt().mean(), D)
    theta_d, theta_g = weights(D), weights(G)
    for p in D.parameters():  # of an earlier half: they add to the next ones unless they are cleared
        p.grad = torch.ones_like(p)
    value = update_D_R1(D, G, x, z, torch.optim.SGD(D.parameters(), lr=1.0), gamma)
    moved = weights(D) - theta_d
    need(torch.equal(weights(G), theta_g), "θ_g đã đổi: đây là nửa vòng của D.")
    need(all(p.grad is None for p in G.parameters()), "Gradient chảy về θ_g. Ở đây G(z) chỉ là dữ liệu.")
    need(not close(moved, 0 * moved), "θ_d vẫn đứng yên.")
    right = -plain - gamma / 2 * steep
    need(not close(moved, right - 1), "Gradient của nửa vòng trước còn sót lại và lẫn vào bước này.")
    hint = "D đi y như khi không phạt. Độ dốc có còn nối với θ_d không, hay đã thành con số chết?"
    need(not close(moved, -plain), hint)
    mistakes = (
        (-gamma / 2 * steep, "Chỉ còn phần phạt: loss_D đâu?"),
        (gamma / 2 * steep - plain, "Ngược dấu: D đang được thưởng khi dốc hơn."),
        (-plain - gamma * steep, "Phạt gấp đôi: công thức có 1/2."),
        (-plain - 20 * gamma / 2 * steep, "Phạt gấp m lần: trong công thức là trung bình, không phải tổng."),
        (-plain - gamma / 2 * away, "Độ dốc đo ở điểm giả; R1 đo ở điểm thật."),
        (-plain - gamma / 2 * answers, "Đó là độ dốc của D(x). R1 phạt độ dốc của logit."),
        (-plain - gamma / 2 * root, "Chuẩn của độ dốc phải được bình phương."),
    )
    for way, words in mistakes:
        need(not close(moved, way), words)
    need(close(moved, right), "θ_d đã đổi, nhưng không theo gradient của loss_D cộng phần phạt.")
    need(not getattr(value, "requires_grad", False), "Số trả về còn kéo theo cả đồ thị tính toán.")
    need(close(value, loss), "D đi đúng rồi, nhưng hàm phải trả về loss_D chưa cộng phần phạt.")
