"""The checks behind the exercises of notebooks 01 … 07: they test what an answer means and give hints only.

A check takes what the student filled in (a number, a function), prints its verdict in Vietnamese and returns
True or False. It never raises, so an empty cell does not stop Run All; the caller's random state stays as it
was; the networks and tensors it hands out are small and its own. A check is a run of assertions: `need` this,
or read that hint. (Students type these names: they are Vietnamese.)
"""

import functools
import math
import traceback

import torch
from torch import nn
from torch.nn.functional import logsigmoid
from torch.nn.utils import parameters_to_vector

BLANK = "Ô này còn trống: thay dấu ba chấm bằng code của bạn (hàm thì nhớ return), rồi chạy lại ô."
M = 100  # images in a batch, as in the notebooks: a solution may use their m


class Blank(Exception):
    """Nothing is filled in yet."""


class Wrong(Exception):
    """Not right yet; the text is the hint."""


def need(true, hint):
    if not true:
        raise Wrong(hint)


def close(a, b):
    """Equal up to rounding: two numbers, or tensors of one shape; never where a is nan or infinite."""
    a, b = (torch.as_tensor(x).detach().double() for x in (a, b))
    return a.shape == b.shape and bool((a - b).norm() <= 1e-3 * b.norm() + 1e-6)


def filled(answer):
    """The answer, if there is one; of a function, one that must return one, and gets copies of tensors."""
    if answer is None or answer is ...:
        raise Blank
    if not callable(answer):
        return answer
    return lambda *given: filled(answer(*(x.clone() if isinstance(x, torch.Tensor) else x for x in given)))


def check(test):
    """Make a check of a function that raises Wrong where an answer is wrong."""

    @functools.wraps(test)
    def verdict(*answers):
        try:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                test(*map(filled, answers))
        except Blank:
            print(BLANK)
        except Wrong as hint:
            print("Chưa đúng. Gợi ý:", hint)
        except Exception as error:
            print(explained(error, {a.__code__.co_filename for a in answers if hasattr(a, "__code__")}))
        else:
            print("Đúng rồi!")
            return True
        return False

    return verdict


def explained(error, files):
    """A Vietnamese sentence on an error, raised by the student's code (it is in `files`) or by its result."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    if lines:
        return f"Code của bạn báo lỗi ở dòng {lines[-1]} của ô. {type(error).__name__}: {error}"
    return f"Câu trả lời chưa đúng kiểu hoặc kích thước mà đề bài yêu cầu. {type(error).__name__}: {error}"


# --------------------------------------------------------------------------------------------- 01. data


@check
def kiem_tra_byte(byte_51, byte_204):
    """Bytes 51 and 204 after ToTensor and Normalize."""
    answer = [float(byte_51), float(byte_204)]
    need(not close(answer, [0.2, 0.8]), "Đó là hai số sau ToTensor. Còn phép thứ hai, Normalize.")
    need(not close(answer, [-0.3, 0.3]), "Bạn đã trừ trung bình. Sau đó Normalize còn một phép nữa.")
    need(answer[0] < answer[1], "Byte lớn hơn là điểm sáng hơn, sau hai phép biến đổi vẫn thế.")
    need(max(map(abs, answer)) <= 1, "Sau Normalize, không điểm ảnh nào ra khỏi khoảng [-1, 1].")
    need(close(answer, [-0.6, 0.6]), "Chia cho byte lớn nhất trước, rồi áp dụng công thức của Normalize.")


@check
def kiem_tra_so_batch(count_batches):
    """count_batches(n, m, drop_last) -> the batches of n images, m each, and the size of the last one."""
    for n, m, drop_last in ((60, 10, False), (60, 7, False), (60, 7, True), (60, 10, True)):
        sizes = [len(part) for part in torch.arange(n).split(m)]
        sizes = [size for size in sizes if size == m or not drop_last]
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
    cut = (back <= quarters + 0.01).all()
    need(not cut, "Đổi sang uint8 là bỏ phần lẻ: 99.9 thành 99. Byte gần nhất cơ mà?")
    off = (back - quarters).abs().max()
    need(off <= 0.51, f"Có chỗ lệch tới {off:.1f} bậc. Hãy làm ngược từng phép, lấy byte gần nhất.")
    need(to_bytes(torch.zeros(2, 1, 3)).shape == (2, 1, 3), "Hàm không được đổi hình dạng của ảnh.")


# ----------------------------------------------------------------------------------------- 02. networks


@check
def kiem_tra_so_tham_so(n_G, n_D):
    """The parameters of the paper's G, 100-1200-1200-784, and of its mirror image, 784-1200-1200-1."""
    for name, answer, sizes in (("G", n_G, (100, 1200, 1200, 784)), ("D", n_D, (784, 1200, 1200, 1))):
        weights = sum(n * k for n, k in zip(sizes, sizes[1:], strict=False))
        need(answer != weights, f"{name}: bạn mới đếm các trọng số W. Mỗi lớp còn gì nữa?")
        need(answer != weights + sum(sizes[:-1]), f"{name}: hằng số b cộng vào đầu nào của mỗi lớp?")
        need(answer >= weights, f"{name}: còn thiếu. Ba mũi tên là ba lớp tuyến tính.")
        need(answer == weights + sum(sizes[1:]), f"{name}: chưa đúng. Tính từng lớp một rồi cộng lại.")


@check
def kiem_tra_nhieu_deu(uniform_noise):
    """uniform_noise(m, latent_dim): (m, latent_dim), uniform on (−√3, √3)."""
    z, again, edge = uniform_noise(500, 40), uniform_noise(500, 40), math.sqrt(3)
    need(z.shape == (500, 40), f"Cần kích thước (m, latent_dim) = (500, 40); đã nhận {tuple(z.shape)}.")
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


# ---------------------------------------------------------------------------------------- 03. algorithm


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


def leave_gradients(network):
    """Gradients of an earlier half, all 1: they add to the next ones unless they are cleared."""
    for p in network.parameters():
        p.grad = torch.ones_like(p)


def judge(moved, right, leftover, mistakes):
    """Hold how far the weights went (learning rate 1) against the right way and against typical mistakes."""
    need(not close(moved, 0 * right), "Trọng số cần học vẫn đứng yên: gradient có về đến nơi không?")
    need(not close(moved, -right), "Đi đúng đường nhưng ngược chiều: hãy xem lại các dấu trừ.")
    need(not close(moved, M * right), "Bước đi dài gấp m lần: công thức có 1/m ở đầu.")
    need(not close(moved, right + leftover), "Gradient của nửa vòng trước còn sót lại và lẫn vào bước này.")
    for way, hint in mistakes:
        need(not close(moved, way), hint)
    need(close(moved, right), "Trọng số đã đi, nhưng không theo gradient của công thức trong đề bài.")


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
    leave_gradients(G)
    value = update_G_minimax(D, G, z, torch.optim.SGD(G.parameters(), lr=1.0))
    need(torch.equal(weights(D), theta_d), "θ_d đã đổi. Trong nửa vòng của G, ai được phép đi?")
    need(all(p.requires_grad for p in D.parameters()), "D bị khoá mà chưa mở: nửa vòng sau nó hết học.")
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
    leave_gradients(D)
    value = update_D_ascent(D, G, x, z, torch.optim.SGD(D.parameters(), lr=1.0, maximize=True))
    need(torch.equal(weights(G), theta_g), "θ_g đã đổi. Trong nửa vòng của D, ai được phép đi?")
    cut = all(p.grad is None for p in G.parameters())
    need(cut, "Gradient của θ_g không phải None. Trong nửa vòng này, G(z) chỉ là dữ liệu (2a).")
    mistakes = [(up, "Mới có một nửa của eqn3: D học từ cả ảnh thật lẫn ảnh giả.") for up in ups[1:]]
    mistakes.append((swapped, "D đang học gọi ảnh thật là giả, ảnh giả là thật."))
    judge(weights(D) - theta_d, ups[0], 1, mistakes)
    need(not getattr(value, "requires_grad", False), "Số trả về còn kéo theo cả đồ thị tính toán.")
    need(close(value, on_real + on_fake), "D đi đúng rồi, nhưng hàm phải trả về eqn3 (bỏ dấu ∇), một số âm.")


# ----------------------------------------------------------------------------------------- 04. training


@check
def kiem_tra_so_buoc_G(updates_of_G):
    """updates_of_G(n_images, m, k, n_epochs): how many steps G takes in all."""
    for n, m, k, n_epochs in ((60_000, 100, 1, 10), (60_000, 100, 3, 10), (1000, 64, 1, 3), (1000, 64, 2, 3)):
        answer, right = updates_of_G(n, m, k, n_epochs), n_epochs * (n // (k * m))
        case = f"{n:,} ảnh, m = {m}, k = {k}, {n_epochs} epoch: {answer}"
        need(answer != right / n_epochs, f"{case} mới là của một epoch.")
        need(answer == int(answer), f"{case} không phải số nguyên: G đâu có đi nửa bước.")
        need(k == 1 or answer != n_epochs * (n // m), f"{case}. Đổi k mà số bước của G không đổi?")
        need(answer <= right, f"{case} là quá nhiều. Một bước của G tốn mấy batch? Ảnh thừa thì bỏ.")
        need(answer == right, f"{case} là quá ít. Một epoch có bao nhiêu lần k batch?")


@check
def kiem_tra_lam_muot(smooth):
    """smooth(values, decay): the moving average of a list, as a list; it starts at the first value."""
    given = (3.0, 1.0, 1.0, 5.0)
    answer, flat, raw = (list(smooth(list(v), a)) for v, a in ((given, 0.75), ([2.0] * 5, 0.9), (given, 0.0)))
    need(len(answer) == 4, f"Vào 4 số thì ra 4 số; hàm trả về {len(answer)}.")
    need(close(flat, [2.0] * 5), "Làm mượt một đường nằm ngang thì nó phải y nguyên, ngay từ số đầu tiên.")
    need(close(raw, given), "Với a = 0 thì quá khứ không giữ lại gì: đường cong phải y nguyên.")
    need(answer[2] != 1, "Quá khứ xa bị quên sạch. Số mới trộn với cái gì: số liền trước hay trung bình cũ?")
    need(close(answer, [3.0, 2.5, 2.125, 2.84375]), "Tính tay ba số đầu với a = 0.75 rồi so với hàm của bạn.")


# ------------------------------------------------------------------------------------------ 05. results


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


@check
def kiem_tra_doi_y(most_changed):
    """most_changed(images, first, last): the column that changed most between two epochs, counted from 1."""
    images = torch.full((12, 5, 28, 28), 100, dtype=torch.uint8)
    images[2:9, 0] = 250  # another picture for a while, then the old one again
    images[9, 1] += 40  # brighter everywhere
    images[9, 2] -= 1  # darker by a hair
    images[9, 3, :14] += 90  # half brighter, half darker: this one changed most
    images[9, 3, 14:] -= 90
    images[10, 4] = 255  # only in the epoch after
    answer = int(most_changed(images, 2, 10))
    need(answer != 0, "Cột 0 đổi giữa chừng rồi trở về như cũ: đề bài chỉ so hai epoch.")
    need(answer != 1, "Cột 1 cùng sáng lên. Có cột đổi nhiều hơn, nhưng chỗ sáng lên, chỗ tối đi bù nhau.")
    need(answer != 2, "Cột 2 chỉ tối đi một chút. Với uint8, 99 - 100 bằng bao nhiêu?")
    need(answer != 4, "Cột 4 chưa đổi gì cho đến hết epoch last. Epoch 1 nằm ở images[0].")
    need(answer == 3, "Chưa đúng cột: so hai ảnh của từng cột, từng điểm ảnh một.")


# ------------------------------------------------------------------------------------------- 06. theory


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


# --------------------------------------------------------------------------------------- 07. evaluation


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
    need(close(answer, right), "Chưa đúng công thức, ngay cả khi G vẽ đủ mọi lớp.")
    never = "Lớp mà G không bao giờ vẽ (q = 0) phải góp đúng 0, các lớp khác vẫn như cũ."
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
