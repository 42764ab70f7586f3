"""Notebook 07: log-likelihoods and class shares."""

import math

import torch

from ganlib.exercises.checking import check, close, need


@check
def kiem_tra_doi_thang(unit_score):
    """unit_score(score, d): the log-likelihood in [0, 1] of d pixels that got `score` in [-1, 1]."""
    for score, d in ((-300.0, 784), (-5.0, 10)):
        answer, shift = float(unit_score(score, d)), d * math.log(2)
        need(not close(answer, score - shift), "Đúng độ lệch, ngược chiều: giãn ra thì mật độ loãng đi.")
        need(not close(answer, score + d), "Bạn dùng log cơ số 2? Loạt bài này đo bằng nat.")
        need(close(answer, score + shift), f"Sai với d = {d}: mỗi chiều giãn gấp mấy, mật độ chia cho mấy?")


@check
def kiem_tra_KL(kl):
    """kl(q, r): KL(q ‖ r) in nats; q the shares that G draws, r the real ones."""
    q, r = torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.3, 0.2]])
    a, b = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    answer, right, swapped = float(kl(a, b)), *(float((u * (u / v).log()).sum()) for u, v in ((a, b), (b, a)))
    need(not close(answer, swapped), "Đó là KL(r ‖ q): ai đứng trước, G hay dữ liệu thật?")
    need(answer >= 0, "KL không bao giờ âm: xem lại tử số và mẫu số trong log.")
    need(not close(answer, right / math.log(2)), "Bạn dùng log cơ số 2? Loạt bài này đo bằng nat.")
    need(close(answer, right), "Chưa đúng công thức, ngay cả khi G vẽ đủ mọi loại.")
    never = "Loại mà G không bao giờ vẽ (q = 0) phải góp đúng 0, các loại khác vẫn như cũ."
    need(close(kl(q, r), (q[:2] * (q[:2] / r[:2]).log()).sum()), never)


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
    selfish = close(answer, everyone - math.log(6)) or close(answer, everyone - math.log(5))
    need(not selfish, "Quả chuông quanh chính mẫu ấy vẫn còn trong tổng.")
    need(not close(answer, others - math.log(6)), "Trung bình trên bao nhiêu quả chuông, khi đã bỏ ra một?")
    need(not close(answer, others), "Mật độ là trung bình của các quả chuông, không phải tổng.")
    need(close(answer, others - math.log(5)), "Chưa đúng: so với log_p khi samples thiếu đi chính mẫu ấy.")
