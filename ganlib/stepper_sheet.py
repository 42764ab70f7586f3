"""What the stepper's panel shows of a View: a sheet of HTML, and a picture for where no widget shows.

The sheet is drawn anew after every click, so it is made without matplotlib.
"""

import html
import math
import re
import textwrap

from ganlib import figures
from ganlib.panels import img
from ganlib.stepper import LAST
from ganlib.writeup import SETS

SHOWN = 8  # images of each batch
TALL = 48  # pixels of a bar that answers 1
ALGORITHM = {  # the network that a half trains: its heading; its steps: number, words, the stops within
    "D": ("Huấn luyện D: k = {s.k} bước", (
        (1, "Lấy m vector nhiễu z và m ảnh thật x", {"1a": "lấy z", "1b": "lấy x"}),
        (2, "Leo dốc theo ∇_θ_d 1/m Σ [log\xa0D(x) + log(1\xa0−\xa0D(G(z)))]", {
            "2a": "G(z)", "2b": "hỏi D", "2c": "loss_D", "2d": "gradient", "2e": "đổi θ_d"}),
        (3, "Lặp lại từ bước 1 đủ k lần: {done}/{s.k}", {}))),
    "G": ("Huấn luyện G: một bước", (
        (4, "Lấy m vector nhiễu z mới", {}),
        (5, "Xuống dốc theo ∇_θ_g {loss_G}", {"5a": "loss_G", "5b": "gradient", "5c": "đổi θ_g"}),
        (6, "Lặp lại từ bước 1", {}))),
}  # fmt: skip
LOSS_G = {"non_saturating": "1/m Σ [−log\xa0D(G(z))]", "minimax": "1/m Σ log(1\xa0−\xa0D(G(z)))"}
COLORS = {"D": figures.D_COLOR, "G": figures.G_COLOR}
SHAPES = {"D": "1,1 29,8 29,16 1,23", "G": "1,8 29,1 29,23 1,16"}  # D narrows to one answer, G widens
LOCK = """<svg role="img" aria-label="khoá" width="15" height="17">
<path d="M4 8V5a3.5 3.5 0 0 1 7 0v3" fill="none" stroke="#555" stroke-width="2"/>
<rect x="1.5" y="7.5" width="12" height="9" rx="1.5" fill="#555"/></svg>"""
STYLE = f"""<style>
.ganlib-stepper {{overflow: auto hidden}}
.ganlib-stepper .widget-html, .ganlib-stepper .widget-html-content {{width: 100%; height: auto; margin: 0}}
.ganlib-stepper .widget-hbox {{min-width: 1040px; padding: 1px 6px; justify-content: space-between}}
.ganlib-stepper :is(button, .widget-label, input, select) {{font-size: 15px !important}}
.gs {{display: grid; grid-template: 24px 374px 96px / 350px minmax(0, 1fr) 262px; gap: 6px 8px;
  min-width: 1040px; padding: 5px 10px 7px; background: white; color: {figures.INK};
  font: 16px/1.3 "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums}}
.gs, .gs * {{box-sizing: border-box}}
.gs sub {{line-height: 0; font-size: 75%}}
.gs svg {{vertical-align: middle}}
.gs p {{margin: 0}}
.gs .gs-big {{font-size: 19px}}
.gs .gs-wide {{grid-column: 1/4}}
.gs .gs-row {{display: flex; justify-content: space-between; align-items: baseline; white-space: nowrap}}
.gs .gs-card {{border: 1px solid #d0d5da; border-radius: 8px; padding: 5px 10px; overflow: hidden}}
.gs .gs-column {{display: grid; gap: 8px; min-height: 0}}
.gs .gs-line {{display: grid; grid-template-columns: 20px 1fr 16px; padding: 1px 4px;
  border-left: 4px solid transparent}}
.gs .gs-now {{background: {figures.LINE_COLOR}; font-weight: bold}}
.gs .gs-stops {{display: grid; grid-template-columns: repeat(3, 1fr); padding: 0 0 2px 28px;
  white-space: nowrap; font-size: 14px; color: #555}}
.gs .gs-stops > * {{justify-self: start}}
.gs .gs-stops b {{background: {figures.LINE_COLOR}; color: {figures.INK}}}
.gs .gs-bars {{display: grid; grid-template-columns: repeat({SHOWN}, 1fr); text-align: center;
  font-size: 14px; line-height: 17px}}
.gs .gs-bar {{height: {TALL}px; display: flex; align-items: end; justify-content: center; gap: 2px;
  border-bottom: 1px solid #999; margin: 3px 0 1px}}
.gs .gs-bar i {{width: 30%; background: {figures.D_COLOR}}}
.gs .gs-bar .gs-was {{opacity: 0.35}}
.gs .gs-rest {{background: #f3f5f7}}
.gs .gs-says {{display: grid; grid-template-columns: 1fr auto; gap: 12px}}
.gs .gs-side {{width: 430px; border-left: 4px solid {figures.GREY}; padding-left: 10px}}
</style>"""


def sheet(v, data, message=""):
    """The View as HTML; message: a sentence that stands out, in place of the situation's question."""
    s, asked = v.settings, v.situation.question
    title = "Thuật toán 1, từng dòng một"
    if asked:
        changed = ", ".join(f"{name} = {value}" for name, value in v.situation.settings.items())
        title = f"Nếu như: {v.situation.name}" + f" ({changed})" * bool(changed)
    place = f"{SETS[data]} · epoch {v.epoch} · <b>vòng lặp {v.iteration}</b> · m = {s.m}"
    place += f" · lr_D = {s.lr_D:g} · lr_G = {s.lr_G:g} · seed {s.seed}"
    side = f"<b>Hỏi cả lớp.</b> {subs(asked)}" if asked else ""
    if message:
        side = f'<span style="color: #A02020">{subs(message)}</span>'
    side = f'<div class="gs-side">{side}</div>' if side else ""
    key = v.stop.key if v.stop.step else ""
    return f"""<div class="gs"><div class="gs-row gs-wide"><b class="gs-big">{title}</b>
        <span style="font-size: 15px">{place}</span></div>
        <div class="gs-card">{algorithm(v)}</div>
        <div class="gs-column" style="grid-template-rows: 1fr 1fr">{batches(v)}</div>
        <div class="gs-column" style="grid-template-rows: auto auto 1fr">{network("D", v)}{network("G", v)}
        <div class="gs-card">{curves(v.history)}</div></div>
        <div class="gs-card gs-rest gs-says gs-wide"><p><b>{key} {subs(v.stop.title)}.</b>
        {subs(v.sentence)}</p>{side}</div></div>"""


def subs(words):
    words = re.sub(r"∇_θ_([dg])", r"∇<sub>θ\1</sub>", html.escape(words))
    return re.sub(r"θ_([dg])", r"θ<sub>\1</sub>", words)


def lines(v):
    """Algorithm 1 as the write-up prints it: (who, number, words, finer stops); a heading has no number."""
    s = v.settings
    done = v.d_step if v.stop.who == "G" or v.stop.key == "2e" else v.d_step - 1
    for who, (heading, steps) in ALGORITHM.items():
        yield who, None, heading.format(s=s), {}
        for number, words, stops in steps:
            yield who, number, words.format(s=s, done=done, loss_G=LOSS_G[s.loss]), stops


def algorithm(v):
    rows = []
    for who, number, words, stops in lines(v):
        if number is None:
            rows.append(f'<b style="color: {COLORS[who]}">{words}</b>')
            continue
        now = f'gs-now" style="border-color: {COLORS[who]}" aria-current="step' * (number == v.stop.step)
        done = f'<span style="color: {figures.REAL_COLOR}">✓</span>' * (number < v.stop.step)
        rows.append(f'<div class="gs-line {now}"><span>{number}</span><span>{subs(words)}</span>{done}</div>')
        marked = [("b" if key == v.stop.key else "span", f"{key} {subs(stops[key])}") for key in stops]
        finer = "".join(f"<{mark}>{one}</{mark}>" for mark, one in marked)
        rows.append(f'<div class="gs-stops">{finer}</div>' * bool(stops))
    return "".join(rows)


def batches(v):
    """Two cards: the real and the generated images, D's answers below them."""
    held, told = {one.name: one for one in v.held}, [one for one in (v.before, v.after) if one]
    x, fake = held.get("x"), held.get("G(z)")
    if v.stop.who == "G":
        missing = "Nửa vòng của G không dùng ảnh thật."
        if v.history:
            missing += f"<br>D(x) lúc D học, ở vòng lặp {len(v.history)}: {v.history[-1].D_x:.3f}"
        body, means = f'<p style="padding: 35px 0; text-align: center">{missing}</p>', []
    else:
        body = images(x, x and x.values, [one.D_x for one in told], "Chưa lấy x.")
        means = [one.mean_x for one in told]
    real = card("x: ảnh thật", figures.REAL_COLOR, "D(x)", means, body)
    missing = f"{tensor(held['z'])}<br>G chưa vẽ." if "z" in held else "Chưa lấy z."
    drawn = v.after.Gz if v.after else fake and fake.values
    body = images(fake, drawn, [one.D_Gz for one in told], missing)
    return real + card("G(z): ảnh sinh", figures.G_COLOR, "D(G(z))", [one.mean_Gz for one in told], body)


def card(title, color, name, means, body):
    means = " → ".join(f"{mean:.3f}" for mean in means)
    means = f'<b class="gs-big">{name}: {means}</b>' * bool(means)
    head = f'<b style="color: {color}">{title}</b>{means}'
    return f'<div class="gs-card"><div class="gs-row" style="height: 25px">{head}</div>{body}</div>'


def tensor(held):
    return f"{held.name}: {held.shape}, từ {held.low:.2f} đến {held.high:.2f}"


def images(held, values, answers, missing):
    """The first images of a batch; under each D's answers, before and after; or what kind of tensor it is."""
    if held is None:
        return f'<p style="padding: 35px 0; text-align: center">{missing}</p>'
    pixels = values[:SHOWN].nan_to_num(0)
    style = 'style="display: block; width: 100%" decoding="sync"'  # sync: no blank between two drawings
    strip = img(figures.grid_png(pixels, SHOWN), f"{held.name}: {len(pixels)} ảnh đầu của batch", style)
    if not answers:
        graph = "mang đồ thị tính toán" if held.graph else "không mang đồ thị tính toán"
        words = tensor(held) + f"<br>{graph}" * (held.name != "x")
        return f'{strip}<p style="padding-top: 15px; text-align: center">{words}</p>'
    cells = zip(*(one[:SHOWN].tolist() for one in answers), strict=True)
    return f'{strip}<div class="gs-bars">{"".join(map(bars, cells))}</div>'


def bars(answers):
    """One image's answers: before, or before and after."""
    *was, now = answers
    heights = [f"height: {TALL * one if math.isfinite(one) else 0:.0f}px" for one in answers]
    bars = "".join(f'<i class="gs-was" style="{high}"></i>' for high in heights[:-1])
    numbers = "".join(f"{one:.2f}<br>" for one in was) + (f"<b>{now:.2f}</b>" if was else f"{now:.2f}")
    return f'<div><div class="gs-bar">{bars}<i style="{heights[-1]}"></i></div>{numbers}</div>'


def trained(name, v):
    return v.stop.step > 0 and v.stop.who == name and (name == "D" or v.situation.move_G)


def network(name, v):
    """A box: in its colour while the network is trained, grey and with a lock while it rests."""
    told, learns, sub = getattr(v, name), trained(name, v), f"θ<sub>{name.lower()}</sub>"
    color, look = (COLORS[name], "") if learns else ("#6a6a6a", "gs-rest")
    state = ("vừa cập nhật" if v.stop.key in LAST else "đang học") if learns else f"{LOCK} giữ nguyên"
    state = state if v.stop.step else "chưa học"
    shape = f'<polygon points="{SHAPES[name]}" fill="{color}"/>'
    shape = f'<svg aria-hidden="true" width="30" height="24">{shape}</svg>'
    loss = "–" if v.loss is None or v.stop.who != name else f"{v.loss:.4f}"
    numbers = {f"loss_{name}": loss, f"‖∇{sub}‖": told.norm, f"‖Δ{sub}‖": f"{told.moved:.4g}"}
    rows = "".join(f'<div class="gs-row"><span>{a}</span><b>{b}</b></div>' for a, b in numbers.items())
    return f"""<div class="gs-card {look}" style="border: 2px solid {color}"><div class="gs-row" style="color:
        {color}"><b class="gs-big">{shape} {name}</b><b>{state}</b></div>{rows}</div>"""


def curves(history):
    """The losses of the finished iterations, as SVG."""
    wide, high, n = 238, 78, len(history)
    losses = {"D": [one.loss_D for one in history], "G": [one.loss_G for one in history]}
    finite = [0, 2, *filter(math.isfinite, losses["D"] + losses["G"])]
    low, top = math.floor(min(finite)), math.ceil(max(finite))
    right = next(end for end in (10, 50, 100, 500, 1000, 5000, 10**4, 10**5, n) if end >= n)  # keeps still
    head, shapes = [], []

    def y(value):
        return high * (top - value) / (top - low)

    for name, values in losses.items():
        line = f'fill="none" stroke="{COLORS[name]}" stroke-width="2.5"'
        line += ' stroke-dasharray="7 4"' * (name == "G")
        points = [(wide * i / right, y(v)) for i, v in enumerate(values, 1) if math.isfinite(v)]
        points = points[:: max(1, n // 200)] + points[-1:]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        shapes.append(f'<polyline points="{path}" {line}/>')
        shapes += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{COLORS[name]}"/>' for a, b in points[-1:]]
        key = f'<svg aria-hidden="true" width="18" height="8"><path d="M0 4H18" {line}/></svg>'
        value = f" {values[-1]:.2f}" if values else ""
        head.append(f'<b style="color: {COLORS[name]}">{key} loss_{name}{value}</b>')
    level = y(2 * math.log(2))
    return f"""<div class="gs-row" style="font-size: 14px">{"".join(head)}</div>
        <svg role="img" aria-label="Loss qua {n} vòng lặp" width="100%"
        viewBox="-4 -5 {wide + 8} {high + 10}">
        <path d="M0 {level}H{wide}" stroke="{figures.GREY}" stroke-dasharray="2 3"/>
        <text x="{wide}" y="{level - 4}" text-anchor="end" font-size="14" fill="#555">2 log 2 ≈ 1.386</text>
        <path d="M0 0V{high}H{wide}" fill="none" stroke="#999"/>{"".join(shapes)}</svg>
        <div class="gs-row" style="font-size: 14px"><span>0</span>vòng lặp<span>{right}</span></div>"""


def picture(v):
    """The View as a picture: PNG bytes, alt text, width. At stop 2e, where x and all answers are at hand."""
    figure, ax = figures.canvas(10.8, 4.5)

    def write(x, y, words, **options):
        words = re.sub(r"∇_θ_([dg])", r"∇$_{\\theta_\1}$", words)
        words = re.sub(r"θ_([dg])", r"$\\theta_\1$", words)
        figures.text(ax, x, y, words, **{"ha": "left", "va": "top", "size": 11.5} | options)

    y = 4.35
    for who, number, words, stops in lines(v):
        words = textwrap.fill(words, 36)
        lit, rows = number == v.stop.step, words.count("\n") + 1
        if lit:
            ax.axhspan(y + 0.05, y - 0.22 * rows - 0.01, 0.01, 0.355, color=figures.LINE_COLOR, lw=0)
        color, bold = figures.INK if number else COLORS[who], "bold" if lit or not number else "normal"
        write(0.15, y, str(number or ""))
        write(0.4 if number else 0.1, y, words, color=color, weight=bold)
        y -= 0.22 * rows + 0.04
        if stops:
            finer = (f"{key} {stops[key]}" for key in stops if not lit or key == v.stop.key)
            write(0.4, y + 0.03, "   ".join(finer), size=10, color=figures.INK if lit else figures.GREY)
            y -= 0.23
    x, a, b = next(one.values for one in v.held if one.name == "x"), v.before, v.after
    real = "x: ảnh thật", figures.REAL_COLOR, x, f"D(x): {a.mean_x:.3f} → {b.mean_x:.3f}", a.D_x, b.D_x
    means = f"D(G(z)): {a.mean_Gz:.3f} → {b.mean_Gz:.3f}"
    fake = "G(z): ảnh sinh", figures.G_COLOR, b.Gz, means, a.D_Gz, b.D_Gz
    for top, name, (title, color, values, means, was, now) in ((4.35, "D", real), (2.5, "G", fake)):
        write(4.05, top, title, color=color, weight="bold")
        write(8.2, top, means, weight="bold", ha="right")
        figures.picture(ax, figures.grid_pixels(values[:SHOWN], SHOWN), 4.05, top - 0.27, 4.15, height=0.54)
        for i, (one, two) in enumerate(zip(was[:SHOWN].tolist(), now[:SHOWN].tolist(), strict=True)):
            x, floor = 4.32 + 0.517 * i, top - 1.2
            ax.bar((x - 0.09, x + 0.09), (one / 3, two / 3), 0.16, floor, color=("#A6CDE5", COLORS["D"]))
            write(x, floor - 0.05, f"{one:.2f}", size=10, color=figures.GREY, ha="center")
            write(x, floor - 0.23, f"{two:.2f}", size=10, weight="bold", ha="center")
        told, learns, sub = getattr(v, name), trained(name, v), f"θ_{name.lower()}"
        words = f"{name}: {'vừa cập nhật' if learns else 'giữ nguyên'}"
        write(8.55, top, words, color=COLORS[name] if learns else figures.GREY, weight="bold")
        write(8.55, top - 0.35, f"‖∇{sub}‖ = {told.norm}")
        write(8.55, top - 0.65, f"‖Δ{sub}‖ = {told.moved:.4g}")
    write(0.15, 0.48, textwrap.fill(v.sentence, 125))
    alt = (
        f"Bảng bước từng dòng, dừng ở {v.stop.key} của vòng lặp {v.iteration}: sáu bước của Thuật toán 1, "
        f"dòng hiện thời được tô sáng; {SHOWN} ảnh thật, {SHOWN} ảnh sinh, câu trả lời của D trước và sau. "
    )
    return figures.png(figure), alt + v.sentence, 1080
