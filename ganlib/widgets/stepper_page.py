"""What the stepper shows of a Stop, as HTML; without a kernel, the recorded first iteration, or a picture."""

import base64
import html
import json
import math
import re
import textwrap

from ganlib import diagrams, figures
from ganlib.data import ASSETS, TITLES
from ganlib.widgets.stepper_words import ANSWERS, norm, say
from ganlib.widgets.watch import split

TEMPLATE = (ASSETS / "stepper.html").read_text(encoding="utf-8")  # the recorded page; the styles come first
STYLE = TEMPLATE[: TEMPLATE.index("<details")]
ROWS, WIDE = 25, 90  # of code that fit on a projector; the page folds more
COLORS = {"D": figures.D_COLOR, "G": figures.G_COLOR}
IMAGES = {"x": "x: ảnh thật", "G": "G(z): ảnh giả"}
BESIDE = {  # a step of the write-up, or the first line of a function
    "1": "eqn1, eqn2",
    "4": "eqn1",
    "update_D": "∇_θ_d 1/m Σ [log D(x) + log(1−D(G(z)))]",
    "update_G": "∇_θ_g 1/m Σ −log D(G(z))",
}
EQN4 = "∇_θ_g 1/m Σ log(1−D(G(z)))"


def div(look, *parts):
    return f'<div class="{look}">{"".join(parts)}</div>'


def sides(left, right, look="gs-flex"):
    return div(look, f"<span>{left}</span>", f"<b>{right}</b>")


def marked(words):
    """Words as HTML: `code` between backticks, θ_d and θ_g with their indices."""
    words = re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(words))
    return re.sub(r"∇_(?=θ)", "∇", words).replace("θ_d", "θ<sub>d</sub>").replace("θ_g", "θ<sub>g</sub>")


def sheet(machine, what_if, notice="", stop=None):
    """The page of a stop, by default the one at hand; notice: words in place of the question to the class."""
    stop, s = stop or machine.stop, machine.state.settings
    mine = " và ".join(machine.own) + " của bạn" if machine.own else "code của ganlib"
    title = f"Tình huống: {what_if.name}" if what_if.edits else f"Thuật toán 1, trên {mine}"
    epoch = (stop.iteration - 1) // (len(machine.images) // (s.k * s.m)) + 1
    place = f"{TITLES[machine.images.name]} · epoch {epoch} · <b>vòng lặp {stop.iteration}</b>"
    place += f" · m = {s.m} · k = {s.k} · seed {s.seed}"
    told, more, bad = say(machine, stop)
    says = "".join(f"<b>{head}:</b> {marked(words)} " for head, words in told) + marked(more)
    says += "".join(f'<p class="gs-bad">{marked(words)}</p>' for words in bad)
    aside = f"<b>Hỏi cả lớp.</b> {marked(what_if.question)}" if what_if.question else ""
    aside = f'<span class="gs-bad">{marked(notice)}</span>' if notice else aside
    beside = network(stop, "D"), network(stop, "G"), images(stop, "x"), images(stop, "G")
    return div("gs-box", div(
        "gs",
        div("gs-top gs-flex", f"<b>{title}</b>", f"<span>{place}</span>"),
        code(machine, stop),
        div("gs-side", *beside, tensors(stop), curves(machine, stop)),
        div("gs-card gs-says", f"<div>{says}</div>", aside and f"<aside>{aside}</aside>"),
    ))  # fmt: skip


# ------------------------------------------------------------------------------------------------- code


def rows(machine):
    """The listing, from top to bottom: (function, kind, line, text); the updates where they are called."""
    head = machine.sources["iterations"].span(1)[1]  # the last line of its `def`, which says nothing new
    for kind, line, text in machine.listing["iterations"]:
        if not line or line > head:
            yield "iterations", kind, line, text[4:]
            for name in ("update_D", "update_G"):
                if line and f"= {name}(" in text:
                    yield from ((name, *row) for row in machine.listing[name])


def code(machine, stop):
    """The listing, with the line that was done, what lines do beside them, and steps in front."""
    listed, (first, last) = list(rows(machine)), machine.sources[stop.name].span(stop.line)
    idle, marks, shown = "update_G" if stop.half == "D" else "update_D", effects(machine.lines), []
    minimax = "minimax" in machine.state.settings.loss + "".join(machine.sources["update_G"].lines)
    beside = BESIDE | {"update_G": EQN4} if minimax else BESIDE
    for name, kind, line, text in listed:
        now, head = name == stop.name and line and first <= line <= last, name != "iterations" and line == 1
        text, comment = split(text)
        depth = (len(text) - len(text.lstrip())) / 4 + (5.3 if name != "iterations" else 1)
        step = machine.step_of(line) if name == "iterations" else ""
        look = f"gs-row {kind}" + " gs-idle" * (name == idle and not head)
        if now:
            look += " gs-bad" * bool(stop.error) + '" aria-current="step'
        words = f"{colored(text)} <i>{html.escape(comment)}</i>"
        words = f'<code style="margin-left: {depth:.1f}em">{words}</code>'
        effect = marked(beside.get(name if head else step) or marks.get((name, line), ""))
        shown.append(div(look, f"<b>{step}</b>", words, f"<span>{effect}</span>"))
        if name == idle and head:
            shown.append(div("gs-row gs-fold", "<b></b>", '<code style="margin-left: 6.3em">…</code>'))
    long = sum(1 + (len(text) > WIDE) for *_, text in listed) > ROWS
    return div("gs-card gs-code" + " gs-long" * long, *shown)


def colored(code):
    """Code as HTML, in the colours of D, G and x."""
    pattern = r"\b(?:\w+_)?([DG])\b|\b(x)\b"
    return re.sub(pattern, lambda m: f'<span class="{m[1] or m[2]}">{m[0]}</span>', html.escape(code.strip()))


def effects(stops):
    """(function, line) -> what the line did to the networks in this iteration, in a few signs."""
    marks = {}
    for stop in stops:
        nets = stop.networks.values()
        words = [f"∇_{net.theta}" for net in nets if net.gradient and net.gradient != net.was]
        words += [f"đổi {net.theta}" for net in nets if net.step]
        marks[stop.name, stop.line] = ", ".join(words) or marks.get((stop.name, stop.line), "")
    return marks


# --------------------------------------------------------------------------------------- what stands beside


def network(stop, name):
    """A box: in its colour while it learns, grey while it rests."""
    net, learns = stop.networks[name], stop.half == name
    state = ("đứng yên", '<span class="gs-bad">bị dịch đi!</span>'), ("đang học", "đã dịch đi")
    was, now = norm(net.was), norm(net.gradient)
    head = sides(f'<b class="{name}">{name}</b>', state[learns][bool(net.moved)])
    gradient = sides(marked(f"‖∇{net.theta}‖"), now if was == now else f"{was} → {now}")
    moved = sides(marked(f"‖Δ{net.theta}‖"), f"{net.moved:.3g}")
    return div(f"gs-card gs-{name if learns else 'rest'}", head, gradient, moved)


def images(stop, kind):
    """A card: the real ("x") or the generated ("G") images, D's answers below each."""
    rest, parts = kind == "x" and stop.half == "G", ["chưa có"]
    if stop.now:
        moved = not rest and any(net.moved for net in stop.networks.values())
        pixels, now = stop.now[kind]
        answers = [stop.before[kind][1], now] if moved else [now]
        parts = [f"{ANSWERS[kind]} = " + " → ".join(f"{one.mean():.3f}" for one in answers)]
        for i in range(0, len(pixels), 4):
            source = base64.b64encode(figures.grid_png(pixels[i : i + 4], 4)).decode()
            parts.append(f'<img alt="{IMAGES[kind]}" decoding="sync" src="data:image/png;base64,{source}">')
            four = zip(*(one[: len(pixels)][i : i + 4].tolist() for one in answers), strict=True)
            parts.append(div("gs-bars", *map(bars, four)))
    return div("gs-card" + " gs-rest" * rest, f'<b class="{kind}">{IMAGES[kind]}</b><br>', *parts)


def bars(answers):
    """One image's answers: the one before the update, if that is over, and the one now."""
    widths = (f"{100 * p if math.isfinite(p) else 0:.0f}%" for p in answers)
    return div("", *(f'<u style="width: {width}"></u>' for width in widths), f"{answers[-1]:.2f}")


def tensors(stop):
    """The variables at hand, as a table."""
    body = "".join(f"<th>{head}</th>" for head in ("tensor", "hình dạng", "giá trị", "đồ thị"))
    for name, held in stop.held.items():
        if isinstance(held, str):
            continue
        values = f"{held.low:.2f}…{held.high:.2f}" if held.shape else f"{held.low:.4g}"
        cells = html.escape(name), "×".join(map(str, held.shape or ())), values, "có" if held.graph else "–"
        cells = "".join(f"<td>{cell}</td>" for cell in cells)
        body += f"<tr{' class=new' * (name in stop.new)}>{cells}</tr>"
    return div("gs-card", f"<table>{body}</table>")


def curves(machine, stop):
    """The losses up to this stop, as SVG."""
    ended = stop.iteration - (stop.name != "iterations" or machine.step_of(stop.line) != "6")
    history, wide, high = machine.history[:ended], 145, 62
    finite = [0.0, 2.0, *(value for pair in history for value in pair if math.isfinite(value))]
    low, top = math.floor(min(finite)), math.ceil(max(finite))
    right = next(end for end in (10, 50, 100, 500, 1000, 5000, 10**4, 10**5, 10**9) if end >= ended)
    heads, lines = [], ""

    def y(value):
        return high * (top - value) / (top - low)

    for name, losses in zip("DG", zip(*history, strict=True) if history else ((), ()), strict=True):
        points = [f"{wide * n / right:.0f},{y(v):.1f}" for n, v in enumerate(losses, 1) if math.isfinite(v)]
        points += points[-1:]  # one alone would not be drawn
        dashes, value = "none" if name == "D" else "7 4", f"{losses[-1]:.2f}" if losses else ""
        lines += (
            f'<polyline points="{" ".join(points)}" stroke="{COLORS[name]}" stroke-dasharray="{dashes}"/>'
        )
        heads.append(sides(f"<small>loss_{name}</small>", value, f"gs-flex {name}"))
    level = y(2 * math.log(2))
    return div("gs-card", *heads, f"""<svg role="img" aria-label="Loss qua {ended} vòng lặp" width="100%"
viewBox="-4 -5 {wide + 8} {high + 10}" fill="none"><path d="M0 0V{high}H{wide}" stroke="#999"/>
<path d="M0 {level:.1f}H{wide}" stroke="{figures.GREY}" stroke-dasharray="2 3"/>
<text x="{wide}" y="{level - 4:.1f}" text-anchor="end" font-size="11" fill="#555">2 log 2 ≈ 1.386</text>
<g stroke-width="2.5" stroke-linecap="round">{lines}</g></svg>""", sides("0 vòng lặp", right))  # fmt: skip


# ---------------------------------------------------------------------------------------- without a kernel


def recorded(machine, what_if):
    """The iteration at hand as HTML that steps by itself: its pages, each picture once, a short script."""
    pictures = {}

    def token(found):
        return f"@{pictures.setdefault(found[0], len(pictures))}@"

    sheets = (sheet(machine, what_if, stop=stop) for stop in machine.lines)
    sheets = [re.sub(r'data:image/png;base64,[^"]+', token, one) for one in sheets]
    stops = json.dumps(sheets, ensure_ascii=False).replace("</", "<\\/")
    return TEMPLATE.replace("PICTURES", json.dumps(list(pictures)), 1).replace("STOPS", stops, 1)


def picture(machine):
    """A stop of the iteration at hand, where a network has moved or a line failed: PNG bytes, alt, width."""
    telling = (one for one in machine.lines if one.error or any(net.step for net in one.networks.values()))
    stop = next(telling, machine.lines[-1])
    told, more, bad = say(machine, stop)
    words = " ".join([*(f"{head}: {words}" for head, words in told), more, *bad]).replace("`", "")
    figure, ax = diagrams.canvas(10.8, 5.1)
    look = {"ha": "left", "va": "top", "size": 10}
    y, (first, last) = 5.05, machine.sources[stop.name].span(stop.line)
    for name, _, line, text in rows(machine):
        if name == stop.name and line and first <= line <= last:
            ax.axhspan(y - 0.16, y + 0.02, 0, 0.6, color=figures.LINE_COLOR, lw=0)
        x = 0.05 + 0.13 * ((len(text) - len(text.lstrip())) / 4 + 4.3 * (name != "iterations"))
        diagrams.text(ax, x, y, text.strip(), color=COLORS.get(name[-1], figures.INK), **look)
        y -= 0.175
    for left, name, kind in (6.6, "D", "x"), (8.75, "G", "G"):
        net = stop.networks[name]
        numbers = f"{name}\n‖∇{net.theta}‖ = {norm(net.gradient)}\n‖Δ{net.theta}‖ = {net.moved:.3g}"
        diagrams.text(ax, left, 5.05, f"{numbers}\n\n{IMAGES[kind]}", COLORS[name], **look | {"size": 12})
        diagrams.picture(ax, figures.grid_pixels(stop.now[kind][0], 4), left, 3.9, 2, height=1)
    diagrams.text(ax, 0.05, y - 0.1, textwrap.fill(words, 140), **look | {"size": 11})
    return figures.png(figure), f"Bảng điều khiển từng bước, dừng ở một dòng của {stop.name}. {words}", 1000
