"""Notebook 02: parameters, noise, a G that ends in a sigmoid."""

import math

import torch

from ganlib.exercises.checking import check, need


@check
def kiem_tra_so_tham_so(n_G, n_D):
    """The parameters of the paper's G, 100-1200-1200-784, and of its mirror image, 784-1200-1200-1."""
    for name, answer, sizes in (("G", n_G, (100, 1200, 1200, 784)), ("D", n_D, (784, 1200, 1200, 1))):
        weights = sum(n * k for n, k in zip(sizes, sizes[1:], strict=False))
        need(answer != weights, f"{name}: bạn mới đếm các trọng số W. Mỗi lớp còn gì nữa?")
        wrong_end = answer == weights + sum(sizes[:-1])
        need(not wrong_end, f"{name}: số hạng tự do b (bias) cộng vào đầu nào của mỗi lớp?")
        need(answer >= weights, f"{name}: còn thiếu. Ba mũi tên là ba lớp tuyến tính.")
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
    need(not torch.equal(x[0], x[1]), "Hai vector nhiễu khác nhau lại cho cùng một ảnh.")
    need((a + b - both - none).abs().max() > 1e-3, "Các lớp tuyến tính gộp lại thành một (Đính chính 3).")
