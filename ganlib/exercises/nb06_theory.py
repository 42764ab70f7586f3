"""Notebook 06: the best D, the two losses of G, the Jensen-Shannon divergence."""

import math

import torch
from torch.nn.functional import logsigmoid

from ganlib.exercises.checking import check, close, need


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
def kiem_tra_luc_keo(stronger_at):
    """stronger_at(times): the D(G(z)) where −log D pulls on the logit so many times as hard as log(1 − D)."""
    for times in (1.0, 9.0, 99.0, 0.25):
        p = float(stronger_at(times))
        need(0 < p < 1, f"Gấp {times:g} lần: hàm trả lời {p:g}, mà D(G(z)) ở giữa 0 và 1.")
        s = torch.logit(torch.tensor(p).double()).requires_grad_()
        eqn4, other = (torch.autograd.grad(f, s)[0] for f in (logsigmoid(-s), -logsigmoid(s)))
        ratio = float(other / eqn4)
        need(times == 1 or not close(ratio, 1 / times), f"Ngược rồi: ở {p:.3g}, eqn4 mới là bên mạnh hơn.")
        need(close(ratio, times), f"Cần gấp {times:g} lần, mà ở D(G(z)) = {p:.3g} chỉ gấp {ratio:.3g} lần.")


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
