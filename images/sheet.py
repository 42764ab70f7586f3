"""One sheet of A4 for the class: Algorithm 1 beside its code, the table to know, two numbers, the terms.

python images/draw.py sheet        # images/sheet.pdf and images/sheet.png
"""

import io

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from ganlib.figures import D_COLOR, G_COLOR, GREY, INK, encode

EQN3 = r"$\nabla_{\theta_d}\,\frac{1}{m}\sum_{i=1}^{m}\left[\log D(x^{(i)}) + \log(1 - D(G(z^{(i)})))\right]$"
EQN4 = r"$\nabla_{\theta_g}\,\frac{1}{m}\sum_{i=1}^{m}\log(1 - D(G(z^{(i)})))$"
OTHER = r"hay, không bão hoà:  $-\frac{1}{m}\sum_{i=1}^{m}\log D(G(z^{(i)}))$"
SAMPLE = "z = torch.randn(m, latent_dim)\nx = images.batch(next(batches))"
HALF_D = """optimizer_D.zero_grad()
fake = G(z).detach()
loss = bce(D(x), 1) + bce(D(fake), 0)
loss.backward()
optimizer_D.step()"""
HALF_G = "optimizer_G.zero_grad()\nloss = bce(D(G(z)), 1)\nloss.backward()\noptimizer_G.step()"
STEPS = [  # number, what, formula, code, colour of the network that moves
    ("1", "lấy $m$ vector nhiễu $z$ (eqn1), $m$ ảnh thật $x$ (eqn2)", "", SAMPLE, D_COLOR),
    ("2", "cập nhật $\\theta_d$: leo dốc theo gradient", EQN3, HALF_D, D_COLOR),
    ("3", "lặp lại từ bước 1 cho đủ $k$ lần", "", "for _ in range(k):", D_COLOR),
    ("4", "lấy $m$ vector nhiễu mới (eqn1)", "", SAMPLE.partition("\n")[0], G_COLOR),
    ("5", "cập nhật $\\theta_g$: xuống dốc theo gradient", f"{EQN4}\n{OTHER}", HALF_G, G_COLOR),
    ("6", "lặp lại từ bước 1 cho đến khi dừng", "", "for _ in range(iterations):", INK),
]
TABLE = [
    ("", "nửa vòng của D", "nửa vòng của G"),
    ("ảnh thật", "batch mới mỗi bước", "không dùng"),
    ("$G(z)$", "cắt khỏi đồ thị: detach", "nối với đồ thị"),
    ("gradient của $\\theta_d$", "có", "có mà không dùng"),
    ("gradient của $\\theta_g$", "None", "có"),
    ("trọng số thay đổi", "chỉ $\\theta_d$", "chỉ $\\theta_g$"),
]
NUMBERS = [
    (
        "1.386",
        "$2\\log 2$: loss_D khi $D$ trả lời 1/2 cho mọi ảnh. Gặp hai lần: lúc chưa học gì,\n"
        "và lúc ảnh giả đã có đúng phân phối của ảnh thật. Phải nhìn ảnh mới biết là lần nào.",
    ),
    ("0.693", "$\\log 2$: loss_G (không bão hoà) cũng ở chỗ ấy."),
    ("0", "loss_D gần 0 nghĩa là $D$ đã thắng, không phải GAN đã học xong."),
]
TERMS = [
    ("mạng sinh $G$", "generator"),
    ("mạng phân biệt $D$", "discriminator"),
    ("vector nhiễu $z$", "noise vector"),
    ("không gian ẩn", "latent space"),
    ("ảnh thật / ảnh giả", "real / fake image"),
    ("tham số $\\theta$", "parameters"),
    ("siêu tham số", "hyperparameters"),
    ("tốc độ học", "learning rate"),
    ("bộ tối ưu", "optimizer"),
    ("hàm kích hoạt", "activation function"),
    ("lớp tuyến tính", "linear layer"),
    ("đồ thị tính toán", "computation graph"),
    ("lan truyền ngược", "backpropagation"),
    ("leo dốc / xuống dốc", "gradient ascent / descent"),
    ("loss (không) bão hoà", "(non-)saturating loss"),
    ("gradient triệt tiêu", "vanishing gradient"),
    ("sụp đổ mode", "mode collapse"),
    ("quá khớp", "overfitting"),
    ("tập huấn luyện / kiểm tra", "training / test set"),
    ("trung bình trượt (EMA)", "exponential moving average"),
]
WIDTH, HEIGHT = 210, 297  # millimetres


def sheet(kind):
    """The sheet as the bytes of a "pdf" or a "png"; lengths are millimetres from the lower left corner of an A4."""
    with rc_context({"font.family": "DejaVu Sans", "mathtext.fontset": "dejavusans", "pdf.fonttype": 42}):
        figure = Figure((WIDTH / 25.4, HEIGHT / 25.4))
        page = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
        page.axis("off")

        def write(x, y, words, size=9, **options):
            page.text(x, y, words, **{"fontsize": size, "color": INK, "va": "top", "linespacing": 1.35} | options)

        def heading(y, words):
            write(14, y, words, 12, weight="bold")
            page.plot((14, 196), (y - 6.2, y - 6.2), color=GREY, lw=0.6)

        write(14, 288, "GAN từng dòng một: Thuật toán 1 trên một trang", 16, weight="bold")
        write(14, 278.5, "$\\min_G\\max_D\\; V(D, G) = E_x[\\log D(x)] + E_z[\\log(1 - D(G(z)))]$", 11)
        heading(268, "Sáu bước, và dòng code của mỗi bước")
        y = 259
        for number, what, formula, code, color in STEPS:
            lines = code.count("\n") + 1
            tall = max(8.5 if not formula else 11 + 8.5 * (formula.count("$") // 2), 4.5 * lines + 3)
            page.add_patch(Rectangle((14, y - tall), 1.4, tall - 1.5, color=color))
            write(18, y - 0.5, number, 13, weight="bold", color=color)
            write(25, y - 1, what, 9.5)
            write(25, y - 7.5, formula, 9.5 if "frac" in formula else 8.5, linespacing=2.6)
            page.add_patch(Rectangle((122, y - tall), 74, tall - 1.5, color="#F3F5F7"))
            write(124.5, y - 1.6, code, 7.6, family="DejaVu Sans Mono", linespacing=1.55)
            y -= tall + 1.2
        write(122, y + 0.4, "bce viết tắt cho binary_cross_entropy_with_logits", 6.8, color="#555555")
        heading(y - 6, "Bảng nên thuộc")
        y -= 15
        for i, row in enumerate(TABLE):
            for x, words, color in zip((16, 66, 131), row, (INK, D_COLOR, G_COLOR), strict=True):
                write(x, y, words, 9.5, color=color if i == 0 else INK, weight="bold" if i == 0 else "normal")
            y -= 6.4
        heading(y - 2, "Ba con số của loss, và chúng nói gì")
        y -= 11
        for number, words in NUMBERS:
            write(16, y, number, 12, weight="bold")
            write(34, y - 0.6, words, 9)
            y -= 6.3 + 4.8 * words.count("\n")
        heading(y - 2, "Thuật ngữ")
        y -= 10.5
        for i, (term, english) in enumerate(TERMS):
            column, line = divmod(i, 10)
            write(16 + 92 * column, y - 4.9 * line, term, 8.4)
            write(62 + 92 * column, y - 4.9 * line, english, 8.4, color="#444444", style="italic")
        file = io.BytesIO()
        figure.savefig(file, format=kind, dpi=150, metadata={"CreationDate": None} if kind == "pdf" else None)
        if kind == "png":
            return encode(Image.open(file).convert("RGB").quantize(256, dither=Image.Dither.NONE), 9)
        return file.getvalue()
