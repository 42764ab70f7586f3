"""What the stepper says of a Stop: what the line changed, what it did not, and what is wrong with it."""

import textwrap

ANSWERS = {"x": "D(x)", "G": "D(G(z))"}
STEPS = {  # of the write-up, by the numbers in the comments of `iterations`
    "1": "Bước 1: z là eqn1; x là eqn2, một batch mà epoch này chưa dùng.",
    "3": "Bước 3: D đã đi {0.turn} bước của vòng lặp này.",
    "4": "Bước 4: z mới, vì những z cũ thì D vừa học xong.",
    "6": "Bước 6: xong vòng lặp {0.iteration}, lặp lại từ bước 1.",
}
LESSONS = {  # whose update, what stands in its line -> words
    ("DG", ".zero_grad("): "PyTorch cộng dồn gradient qua các lần backward(), nên mỗi nửa vòng bắt đầu "
    "bằng xoá.",
    ("D", ".backward("): "Đã biết hướng đi, nhưng chưa đi.",
    ("G", ".backward("): "Gradient phải xuyên qua D mới về đến G. θ_d có nhận gradient cũng đứng yên: "
    "optimizer_G không giữ θ_d.",
    ("DG", ".step("): "Bộ tối ưu chỉ dịch những trọng số mà nó giữ.",
    ("G", "loss_G_minimax("): "Đây là eqn4: D càng bác bỏ ảnh giả, nó càng phẳng (bão hoà).",
    ("D", "loss_D("): "Nếu D trả lời 1/2 cho mọi ảnh, loss này là 2 log 2 ≈ 1.386.",
    ("G", "loss_G("): "Nếu D trả lời 1/2 cho mọi ảnh, loss này là log 2 ≈ 0.693.",
}
SHAPES = "Hình dạng không khớp: hãy so các tensor ở bên phải. D trả về mỗi ảnh một logit, (m,)."
HINTS = {  # what an error says -> what that may mean
    "backward through the graph a second": "Đồ thị tính toán đã được giải phóng sau lần backward() trước; "
    "mỗi lần backward() cần một lượt tính mới. Có dùng lại loss hay ảnh giả của lượt trước không?",
    "does not require grad": "loss không nối với trọng số nào: detach(), item() hay no_grad() đã cắt đồ thị?",
    "modified by an inplace": "Trọng số dịch đi sau khi loss được tính: backward() phải đứng trước step().",
    "only for scalar": "backward() cần loss là một số: thiếu mean()?",
    "KeyboardInterrupt": "Bạn đã ngắt hàm ở dòng này. Có vòng lặp nào không dừng không?",
    "UnboundLocalError": "Biến này được dùng trước khi được gán.",
    "NameError": "Tên này chưa có: gõ sai, hay ô định nghĩa nó chưa chạy?",
    "NoneType": "Có thứ đang là None: một hàm mà bạn gọi thiếu return?",
    "size": SHAPES,
    "shape": SHAPES,
    "argument": "Lời gọi thiếu hoặc thừa tham số: hãy so với dòng def của hàm được gọi.",
    "": "Hãy đọc dòng ấy cùng các tensor ở bên phải, là của lúc xảy ra lỗi.",
}


def say(machine, stop):
    """[(heading, words), …], more words, [what is wrong, …], in Vietnamese; `code` in backticks."""
    if not stop.line:
        seed = machine.state.settings.seed
        words = f"hai mạng vừa được khởi tạo từ seed {seed}. Dòng nào sẽ chạy đầu tiên?"
        return [("Sẵn sàng", words)], "", []
    text = machine.sources[stop.name].text(stop.line)
    if stop.error:
        words = f"{type(stop.error).__name__}: {stop.error}".removesuffix(": ")
        hint = next(hint for part, hint in HINTS.items() if part in words)
        return [("Lỗi ở dòng này", f"`{text}`.")], hint, [textwrap.shorten(words, 220, placeholder=" …")]
    bad = list(troubles(stop, text))
    more = "" if bad else lesson(stop, text, machine.step_of(stop.line) if stop.name == "iterations" else "")
    yes, no = ("; ".join(words(stop)) for words in (changed, unchanged))
    told = ("Dòng vừa chạy", f"`{text}`."), ("Vừa đổi", f"{yes or 'không có gì'}."), ("Không đổi", f"{no}.")
    return told, more, bad


def norm(value):
    return "None" if value is None else f"{value:.3g}"


def tensor(held):
    """A Tensor, or the name of another type, in words."""
    if isinstance(held, str):
        return held
    graph = "mang đồ thị" if held.graph else "không mang đồ thị"
    if held.shape:
        return f"{'×'.join(map(str, held.shape))}, từ {held.low:.2f} đến {held.high:.2f}, {graph}"
    return f"{held.low:.4f}" + f", {graph}" * (held.shape is not None)


def changed(stop):
    """What the line changed, item by item."""
    nets = stop.networks.values()
    for net in nets:
        if net.was != net.gradient:
            yield f"gradient của {net.theta}: {norm(net.was)} → {norm(net.gradient)}"
    yield from (f"{net.theta} dịch đi {net.step:.3g}" for net in nets if net.step)
    if stop.before and any(net.step for net in nets):
        for kind in "xG" if stop.half == "D" else "G":
            was, now = (answers.mean() for _, answers in (stop.before[kind], stop.now[kind]))
            yield f"{ANSWERS[kind]}: {was:.3f} → {now:.3f}"
    yield from (f"có `{name}`: {tensor(stop.held[name])}" for name in stop.new)
    if stop.name != "iterations" and stop.returned:
        yield f"{stop.name} trả về {tensor(stop.returned).removesuffix('Type')}"


def unchanged(stop):
    """What it left as it was: weights, and gradients."""
    nets = stop.networks.values()
    still = [net.theta for net in nets if not net.step]
    if still:
        yield "mọi trọng số" if len(still) == 2 else f"{still[0]}, dịch đi đúng 0"
    same = [f"{net.theta} vẫn {norm(net.gradient)}" for net in nets if net.was == net.gradient]
    if same:
        cut = [name for name, held in stop.held.items() if is_cut(stop, name, held)]
        why = f", vì `{cut[0]}` không mang đồ thị" if cut and same == ["θ_g vẫn None"] else ""
        yield f"gradient ({', '.join(same)}{why})"


def is_cut(stop, name, held):
    """Whether it looks like generated images that are cut off from G."""
    real = stop.held.get("x")
    return name != "x" and real and getattr(held, "shape", ()) == real.shape and not held.graph


def troubles(stop, text):
    """What is wrong in this line, or in the update that has ended."""
    me, mine, other = stop.half, stop.mine, stop.other
    update, theta, rival = f"update_{me}", mine.theta, other.theta
    if stop.name == update:
        if mine.was and not mine.gradient and mine.was != mine.begun and not mine.moved:
            yield f"Gradient vừa tính của {theta} bị xoá trước khi bộ tối ưu kịp bước: xoá trước backward()."
        if mine.was and mine.gradient and mine.was == mine.begun != mine.gradient:
            yield f"Gradient mới của {theta} cộng chồng lên gradient còn sót từ trước: đã quên xoá?"
        if ".backward(" in text and mine.gradient == mine.was:
            yield f"{theta} không nhận gradient nào: loss không nối với {me} mà hàm được trao."
        if me == "D" and other.gradient and other.gradient != other.was:
            yield "θ_g cũng nhận gradient: lan truyền ngược đã xuyên qua ảnh giả về đến G. Đã quên detach()?"
        if other.step:
            yield f"Nhầm mạng: {rival} vừa dịch đi, mà trong {update} chỉ {theta} được đi."
        if ".step(" in text and not mine.step and not other.step:
            why = f"bộ tối ưu này không giữ {theta}. Hãy dùng optimizer_{me} mà hàm được trao"
            why = why if mine.gradient else "gradient của nó là None, không có gì để theo"
            yield f"Bộ tối ưu đã bước mà {theta} không dịch đi: {why}."
    if stop.returned:
        if getattr(stop.returned, "shape", None) is None:
            what = tensor(stop.returned).removesuffix("Type")
            yield f"{update} trả về {what}, không phải tensor: thiếu return loss.detach()?"
        elif stop.returned.graph:
            yield "loss trả về còn mang đồ thị tính toán, giữ nó trong bộ nhớ: hãy return loss.detach()."
        if not mine.moved:
            why = "có gradient mà không bộ tối ưu nào bước theo"
            why = why if mine.gradient else "không có gradient để theo"
            yield f"Cả lượt {update}, {theta} không dịch đi chút nào: {why}."
        if me == "D" and other.gradient and other.gradient != other.begun:
            yield f"update_D để lại gradient ở θ_g, {norm(other.gradient)}: update_G mà quên xoá thì lẫn vào."


def lesson(stop, text, step):
    """More about a line that everybody should know; "" where there is none."""
    mine, other = stop.mine, stop.other
    if step in ("2", "5"):
        return f"Cả lượt: {mine.theta} dịch đi {mine.moved:.3g}, {other.theta} dịch đi {other.moved:.3g}."
    if stop.name == "iterations":
        return STEPS.get(step, "").format(stop)
    if any(is_cut(stop, name, stop.held[name]) for name in stop.new):
        return "Cắt khỏi đồ thị tính toán rồi, với D đây chỉ là dữ liệu, như x."
    return next((words for (of, part), words in LESSONS.items() if part in text and stop.half in of), "")
