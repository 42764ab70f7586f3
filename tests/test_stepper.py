"""The stepper: the same bits as training, whatever is looked at; what it tells of every line; its panel."""

import asyncio
import copy
import functools
import html
import inspect
import json
import math
import random
import re
import sys
import unicodedata
from itertools import islice

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from ganlib import algorithm, data, training
from ganlib.algorithm import loss_D, loss_G, update_G
from ganlib.widgets import panel, stepper, stepper_page
from ganlib.widgets.stepper import RUN, WHAT_IFS, Panel
from ganlib.widgets.stepper_run import AT_START, KEPT, LINES, NOT_KEPT, OVER
from ganlib.widgets.stepper_words import say
from ganlib.widgets.watch import Source, edited, place, watch

SMALL = {"hidden_G": (8, 16), "hidden_D": (16, 8), "m": 10, "lr_D": 0.002}
NAMES = [what_if.name for what_if in WHAT_IFS]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """`load` gives 120 real digits, wherever they come from: an epoch is soon over."""
    digits = data.load("mnist")
    few = data.Images("mnist", digits.pixels[:120], digits.labels[:120], digits.source, "")
    monkeypatch.setattr(sys.modules[Panel.__module__], "load", lambda name: few)
    return few


def own_D(D, G, x, z, optimizer_D):
    """As a reader writes it."""
    optimizer_D.zero_grad()
    fake = G(z).detach()  # chỉ là dữ liệu
    loss_real = cross_entropy(
        D(x),
        torch.ones(len(x)),  # thật: 1
    )
    loss = loss_real + cross_entropy(D(fake), torch.zeros(len(x)))
    loss.backward()
    optimizer_D.step()
    return loss.detach()


def own_G(D, G, z, optimizer_G):
    optimizer_G.zero_grad()
    loss = cross_entropy(D(G(z)), torch.ones(len(z)))
    loss.backward()
    optimizer_G.step()
    return loss.detach()


def by_hand(detach=True, clear=True, swap=False, move=True):
    """update_D and update_G with something changed."""

    def update_D(D, G, x, z, optimizer_D):
        if clear:
            optimizer_D.zero_grad()
        logits = [D(x), D(G(z).detach() if detach else G(z))]
        loss = loss_D(*(reversed(logits) if swap else logits))
        loss.backward()
        optimizer_D.step()
        return loss.detach()

    def update_G(D, G, z, optimizer_G):
        if clear:
            optimizer_G.zero_grad()
        loss = loss_G(D(G(z)))
        loss.backward()
        if move:
            optimizer_G.step()
        return loss.detach()

    return update_D, update_G


def weights(state):
    networks = [state.G, state.D] + ([state.G_avg] if state.G_avg else [])
    return torch.cat([p.detach().flatten() for network in networks for p in network.parameters()])


def trained(images, n, *functions, **settings):
    """Weights and losses after n iterations that nobody looks at."""
    state = training.start("cpu", fast=False, **SMALL | settings)
    losses = [[*map(float, pair)] for pair in islice(training.steps(state, images, *functions), n)]
    return weights(state), losses


def machine(*functions, what_if=0, **settings):
    shown = Panel("mnist", *functions, **SMALL | settings)
    shown.choose(what_if)
    return shown.machine


def told(machine, stop):
    heads, more, bad = say(machine, stop)
    return " ".join([*(f"{head}: {words}" for head, words in heads), more]), bad


def words(sheet):
    """The page as a reader sees it, without tags."""
    text = re.sub(r"<sub>(.)</sub>", r"_\1", sheet)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)))


# ------------------------------------------------------------------------------------------- the same bits


@pytest.mark.parametrize(
    "settings", [{}, {"k": 3}, {"k": 2, "loss": "minimax", "average": 0.0, "seed": 4}], ids=str
)
def test_looking_changes_no_bit(few, settings):
    outside, m = torch.get_rng_state(), machine(**settings)
    while len(m.history) < 15 or m.at + 1 < len(m.stops):  # twelve iterations an epoch, or fewer
        stepper_page.sheet(m, WHAT_IFS[0])
        m.step()
    expected, losses = trained(few, 15, **settings)
    assert torch.equal(weights(m.state), expected) and m.history == losses
    assert torch.equal(torch.get_rng_state(), outside)


def test_a_reader_s_functions_are_the_ones_that_run(few):
    m = machine(own_D, own_G)
    for _ in range(4):
        m.finish_iteration()
    expected, losses = trained(few, len(m.history), own_D, own_G)
    assert torch.equal(weights(m.state), expected) and m.history == losses
    assert torch.equal(expected, trained(few, len(m.history))[0])  # they do what ganlib's do


def test_a_random_walk_of_300_commands(few):
    chance, m, seen = random.Random(0), machine(k=2), {}
    commands = [m.step, m.step, m.back, m.finish_half, m.finish_iteration, m.back_iteration]
    for _ in range(300):
        notice = chance.choice(commands)()
        assert notice in ("", AT_START, NOT_KEPT)
        place = m.stop[:5] + (m.at - m.lines()[0],)
        assert seen.setdefault(place, m.stop) is m.stop  # what was shown is shown again
    expected, losses = trained(few, len(m.history), k=2)
    assert len(m.history) > 20 and torch.equal(weights(m.state), expected) and m.history == losses


def simultaneous(few, n):
    """n iterations of what the authors' code does, written out."""
    state = training.start("cpu", fast=False, **SMALL)
    with state.own_randomness():
        for i in range(n):
            if i % 12 == 0:
                batches = iter(torch.randperm(len(few)).split(10))
            z, x, before = state.noise(10), few.batch(next(batches)), copy.deepcopy(state.D)
            algorithm.update_D(state.D, state.G, x, z, state.optimizer_D)
            update_G(before, state.G, z, state.optimizer_G)
            state.average()
            state.iterations += 1
    return weights(state)


BY_HAND = (
    lambda few: trained(few, 14, *by_hand())[0],
    lambda few: trained(few, 14, *by_hand(detach=False))[0],
    lambda few: trained(few, 14, *by_hand(clear=False))[0],
    lambda few: trained(few, 14, *by_hand(swap=True))[0],
    lambda few: trained(few, 14, loss="minimax")[0],
    lambda few: trained(few, 14, *by_hand(move=False))[0],
    lambda few: trained(few, 14, k=5)[0],
    lambda few: simultaneous(few, 14),
)


@pytest.mark.parametrize("i", range(len(WHAT_IFS)), ids=NAMES)
def test_every_what_if_is_the_same_change_made_by_hand(few, i):
    m = machine(what_if=i)
    while len(m.history) < 14:
        m.finish_iteration()
    assert torch.equal(weights(m.state), BY_HAND[i](few))
    same = torch.equal(weights(m.state), trained(few, 14)[0])
    no_other = "Thuật toán 1, code để nguyên", "Quên detach"  # the second costs work, no more
    assert same == (NAMES[i] in no_other)


# --------------------------------------------------------------------------------------- back and forth


def test_commands_end_where_they_say():
    m = machine(k=2)
    assert (m.stop.line, m.back(), m.back_iteration()) == (0, AT_START, AT_START)
    m.step()
    m.finish_half()
    assert (m.stop.half, m.stop.turn, m.step_of(m.stop.line)) == ("D", 2, "3")
    m.finish_half()
    assert m.stop.half == "G" and m.step_of(m.stop.line) == "6" and m.at == m.lines()[-1]
    m.finish_iteration()
    assert m.stop.iteration == 2 and m.at == m.lines()[-1]
    m.back_iteration()
    assert m.stop.iteration == 1 and m.at == m.lines()[-1]
    m.back()
    assert m.stop.returned and "loss_of_G" in m.stop.new
    m.back_iteration()
    assert m.at == 0


def test_a_hundred_iterations_can_be_gone_back_over_and_memory_is_bounded():
    m = machine()
    for _ in range(KEPT + 20):
        m.finish_iteration()
    while not m.back_iteration():
        pass
    assert m.stop.iteration == 21 and m.back() == NOT_KEPT and len({s.iteration for s in m.stops}) == KEPT
    m.finish_iteration()
    assert len(m.history) == KEPT + 20  # nothing ran again


# ------------------------------------------------------------------------------------------ what is told


def test_what_every_line_of_algorithm_1_did():
    """Who has a gradient, who moves: the table of notebook 03."""
    m, seen = machine(), {}
    for stop in m.stops[1:]:
        text, (D, G) = m.sources[stop.name].text(stop.line), stop.networks.values()
        seen[stop.name[-1], text] = stop
        assert (D.step > 0) == (text == "optimizer_D.step()") and (G.step > 0) == (
            text == "optimizer_G.step()"
        )
        assert (D.gradient != D.was) == (text == "loss.backward()")
        assert (G.gradient != G.was) == (text == "loss.backward()" and stop.name == "update_G")
        assert told(m, stop)[1] == []
    fake, z = seen["D", "fake = G(z).detach()"], seen["s", "z = noise(m)"]
    assert fake.new == ["fake"] and fake.held["fake"].shape == (10, 1, 28, 28) and not fake.held["fake"].graph
    assert z.new == ["z"] and z.held["x"].low == -1 and (fake.half, z.half) == ("D", "G")
    moved = seen["D", "optimizer_D.step()"]
    assert moved.networks["D"].moved == moved.networks["D"].step and moved.networks["G"].moved == 0
    assert moved.now.mean_x > moved.before.mean_x and torch.equal(moved.before.fake, moved.now.fake)
    assert not torch.equal(z.now.fake, seen["G", "optimizer_G.step()"].now.fake)
    assert seen["G", "fake_logit = D(G(z))"].held["fake_logit"].graph


@torch.no_grad()
def test_answers_are_of_the_whole_batch_without_dropout(few):
    m = machine()
    m.finish_iteration()
    state, now = m.state, m.stops[-1].now
    z = m.outer["z"]
    answers = torch.sigmoid(state.D.eval()(state.G(z)))
    assert now.mean_Gz == pytest.approx(answers.mean().item()) and now.D_Gz == pytest.approx(
        answers[:8].tolist()
    )
    torch.testing.assert_close(now.fake, data.to_pixels(state.G(z)[:8, 0]))


def sentences(m):
    return {(s.name[-1], m.sources[s.name].text(s.line)): told(m, s) for s in m.stops if s.line}


def test_the_sentence_says_what_changed_and_what_did_not():
    said = {text: words for (name, text), (words, bad) in sentences(machine(own_D)).items() if name == "D"}
    assert "gradient của θ_d: None → " in said["loss.backward()"]
    assert "θ_g vẫn None, vì `fake` không mang đồ thị" in said["loss.backward()"]
    assert "mọi trọng số" in said["loss.backward()"] and "θ_d dịch đi" in said["optimizer_D.step()"]
    assert "θ_g, dịch đi đúng 0" in said["optimizer_D.step()"] and "D(x): 0." in said["optimizer_D.step()"]
    statement = "loss_real = cross_entropy( D(x), torch.ones(len(x)), )"
    assert "có `loss_real`: " in said[statement]  # one stop for a statement over four lines
    assert "update_D trả về" in said["return loss.detach()"]
    texts = [*said.values(), *(words for one in WHAT_IFS for words in (one.name, one.question))]
    assert all(unicodedata.is_normalized("NFC", text) for text in texts)


CLEAR, BACK, STEP = "optimizer_D.zero_grad()", "loss.backward()", "optimizer_D.step()"
WRONG = [  # edits of own_D, the line where it is told, in these words
    ([(CLEAR, None), (BACK, f"{BACK}\n    {CLEAR}")], CLEAR, "bị xoá trước khi bộ tối ưu kịp bước"),
    ([(CLEAR, None), (BACK, f"{BACK}\n    {CLEAR}")], STEP, "gradient của nó là None"),
    ([(CLEAR, None), (BACK, f"{BACK}\n    {CLEAR}")], "return loss.detach()", "θ_d không dịch đi chút nào"),
    ([("G(z).detach()", "G(z)")], BACK, "Đã quên detach()?"),
    ([("G(z).detach()", "G(z)")], "return loss.detach()", "update_D để lại gradient ở θ_g"),
    (
        [(STEP, "SGD(G.parameters()).step()"), ("G(z).detach()", "G(z)")],
        "SGD(G.parameters()).step()",
        "Nhầm mạng",
    ),
    ([(STEP, "SGD([torch.ones(1)]).step()")], "SGD([torch.ones(1)]).step()", "Hãy dùng optimizer_D mà hàm"),
    ([(STEP, None)], "return loss.detach()", "có gradient mà không bộ tối ưu nào bước theo"),
    ([("return loss.detach()", None)], STEP, "thiếu return loss.detach()?"),
    ([("return loss.detach()", "return loss.item()")], "return loss.item()", "không phải tensor: hãy return"),
    ([("return loss.detach()", "return loss")], "return loss", "loss trả về còn mang đồ thị"),
    ([("    fake =", "    D = deepcopy(D)\n    fake =")], BACK, "θ_d không nhận gradient nào"),
]


@pytest.mark.parametrize(("edits", "line", "expected"), WRONG)
def test_what_is_wrong_with_a_function_is_told_at_its_line(edits, line, expected):
    names = {"SGD": functools.partial(torch.optim.SGD, lr=0.1), "deepcopy": copy.deepcopy}
    m = machine(edited(own_D, *edits, **names))
    at = [
        text for (name, text), (_, bad) in sentences(m).items() if expected in " ".join(bad) and name == "D"
    ]
    assert at[0] == line
    while m.finish_iteration() == "" and len(m.history) < 2:
        pass
    assert m.over == ("return" in expected)  # `steps` wants tensors; else it goes on


def test_gradients_that_are_left_over_are_told_from_those_that_add_up():
    m = machine(what_if=NAMES.index("Quên xoá gradient"))
    m.finish_iteration()
    m.finish_iteration()
    assert {s.iteration for s in m.stops if "đã quên xoá?" in " ".join(told(m, s)[1])} == {2}
    two = edited(
        own_D, ("loss = loss_real +", "loss_real.backward(); loss_real = loss_real.detach(); loss =")
    )
    assert all(bad == [] for _, bad in sentences(machine(two)).values())


@pytest.mark.parametrize("rate", [1e30, 1e38])
def test_numbers_that_are_none(rate):
    m = machine(lr_D=rate, lr_G=rate)
    for _ in range(4):
        m.finish_iteration()
        assert words(stepper_page.sheet(m, WHAT_IFS[0]))
    assert not all(map(math.isfinite, m.history[-1])) and m.back() == ""


# --------------------------------------------------------------------- functions that fail, or don't fit


@pytest.mark.parametrize(
    ("line", "error", "hint"),
    [
        ("los = D(x) + los", "UnboundLocalError", "trước khi được gán"),
        ("los_D(D(x))", "NameError: name 'los_D'", "Tên này chưa có"),
        ("cross_entropy(D(x), torch.ones(3))", "ValueError", "Hình dạng không khớp"),
        ("loss_real.backward(), loss_real.backward()", "RuntimeError", "đã được giải phóng"),
        ("loss_real.detach().backward()", "RuntimeError", "loss không nối với trọng số nào"),
        ("D(x).backward()", "RuntimeError", "thiếu mean()?"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "Bạn đã ngắt hàm"),  # the kernel's stop button
    ],
)
def test_an_exception_is_shown_at_its_line(line, error, hint):
    m = machine(edited(own_D, ("loss = loss_real", f"{line}\n    loss = loss_real")))
    while m.step() == "":
        pass
    assert m.step() == m.finish_iteration() == OVER and m.history == []
    said, bad = told(m, m.stop)
    assert f"`{line}`" in said and error in bad[0] and hint in said
    sheet = stepper_page.sheet(m, WHAT_IFS[0])
    assert re.search(r'gs-bad" aria-current="step"', sheet) and "fake" in m.stop.held
    assert m.back() == "" and m.stop.error is None
    assert stepper_page.picture(m)[0].startswith(b"\x89PNG") and stepper_page.recorded(m, WHAT_IFS[0])


def test_a_function_that_runs_its_lines_very_often(few):
    busy = edited(own_D, ("loss.backward()", "for i in range(5000):\n        i += 1\n    loss.backward()"))
    m = machine(busy)
    assert len(m.stops) == LINES + 1 and m.history == trained(few, 1, busy)[1]
    m.finish_iteration()
    assert m.finish_iteration() == "" and len(m.history) == 2


@pytest.mark.parametrize(
    ("given", "error", "expected"),
    [
        (
            {"update_D": own_G},
            TypeError,
            r"update_D\(D, G, x, z, optimizer_D\).*own_G\(D, G, z, optimizer_G\)",
        ),
        ({"update_G": own_D}, TypeError, r"update_G phải là một hàm .* update_G\(D, G, z, optimizer_G\)"),
        ({"update_D": 3}, TypeError, "update_D phải là .*đã nhận 3"),
        ({"update_D": functools.partial(own_D)}, TypeError, "update_D phải là một hàm viết bằng def"),
        ({"update_G": eval("lambda D, G, z, optimizer_G: 0.0")}, TypeError, "trong một ô hay một tệp"),
        ({"update_G": own_G, "loss": "minimax"}, TypeError, "update_G phải là"),
        ({"k": 0}, ValueError, "k phải là số nguyên từ 1"),
        ({"k": 5, "m": 30}, ValueError, "Hãy giảm k hoặc m"),
        ({"learning_rate": 1}, TypeError, "learning_rate"),
    ],
)
def test_what_does_not_fit_is_refused(given, error, expected):
    with pytest.raises(error, match=expected):
        stepper(**SMALL | given)


# ----------------------------------------------------------------------------------------------- watching


def test_the_tracer_before_is_put_back_even_after_an_exception():
    def tracer(frame, event, value):
        return None

    before = sys.gettrace()
    try:
        sys.settrace(tracer)
        m = machine(edited(own_D, ("G(z)", "Gz(z)")))
        assert m.over and sys.gettrace() is tracer
        machine().finish_iteration()
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


def winding(n):
    """A function with everything in it."""
    total = sum(
        i * i
        for i in range(n)
    )  # fmt: skip
    for i in range(2):
        total += i
    try:
        int("x")
    except ValueError:
        total = -total
    yield total
    raise LookupError("at the end")


def test_watch_sees_each_statement_once_and_generators_go_on():
    seen, source = [], Source(winding)

    def look(name, line, variables, ended):
        seen.append((name, source.text(line) if line else "", ended))

    generator = winding(4)
    assert watch(lambda: next(generator), {"w": source}, look) == -15
    texts = [text for _, text, _ in seen]
    total, loop = "total = sum( i * i for i in range(n) )", ["for i in range(2):", "total += i"]
    caught = ["try:", 'int("x")', "except ValueError:", "total = -total"]
    assert texts == ["", total, *loop, *loop, "for i in range(2):", *caught, "yield total"]
    assert seen[-1][2] == (-15,) and {ended for *_, ended in seen[:-1]} == {()}
    with pytest.raises(LookupError) as caught:
        watch(lambda: next(generator), {"w": source}, look)
    assert place(caught.value, {"w": source})[:2] == ("w", len(source.lines))
    assert place(ValueError(), {"w": source}) is None


def test_an_edited_function_runs_shows_its_source_and_drops_the_old_comment():
    new = edited(own_D, ("G(z).detach()", "draw(z)"), ("optimizer_D.step()", None), draw=len)
    text = inspect.getsource(new)
    assert "    fake = draw(z)\n" in text and "step()" not in text and new is not own_D
    with pytest.raises(TypeError):
        new(None, None, None, 3, torch.optim.SGD([torch.ones(1)], 0.1))
    for old in ("no such text", "loss"):
        with pytest.raises(ValueError, match="must stand in just one line"):
            edited(own_D, (old, "x"))


# ------------------------------------------------------------------------------------------------ the page


def test_every_stop_lights_its_lines_and_names_its_step():
    shown = Panel("mnist", own_D, own_G, **SMALL)
    m, steps = shown.machine, []
    while shown.machine.at + 1 < len(m.stops):
        shown.buttons["step"].click()
        sheet, stop = shown.sheet.value, m.stop
        lit = re.findall(r'aria-current="step"><b>(\d?)</b><code[^>]*>(.*?)</code>', sheet)
        first, last = m.sources[stop.name].span(stop.line)
        assert len(lit) == last - first + 1
        code = m.sources[stop.name].lines[first - 1].split("  # ")[0].strip()
        assert words(lit[0][1]).replace(" ", "").startswith(code.replace(" ", ""))
        steps += [step for step, _ in lit[:1] if step]
        assert f"vòng lặp {stop.iteration}" in words(sheet) and "Dòng vừa chạy" in words(sheet)
        assert "bị dịch đi" not in sheet and "gs-bad" not in sheet  # nothing is wrong with these functions
        assert sheet.count("<img") == (4 if stop.now else 0) and sheet.count("<u ") in (0, 16, 24, 32)
    assert steps == ["3", "1", "2", "3", "4", "5", "6"]
    assert "update_D và update_G của bạn" in words(shown.sheet.value)


def test_the_page_shows_both_functions_with_comments_and_formulas():
    shown = words(Panel("mnist", own_D, **SMALL).sheet.value)
    for text in (".detach() # chỉ là dữ liệu", "# không detach: gradient đi xuyên qua D về θ_g"):
        assert text in shown
    for text in (
        "∇θ_d 1/m Σ [log D(x) + log(1−D(G(z)))]",
        "∇θ_g 1/m Σ −log D(G(z))",
        "# 6. lặp lại từ bước 1",
    ):
        assert text in shown
    assert "def iterations" not in shown and '"""' not in shown


@pytest.mark.parametrize("name", NAMES[1:])
def test_an_edit_is_shown_struck_out_and_below_it_the_new_line(name):
    shown = Panel("mnist", **SMALL)
    shown.menu.value = NAMES.index(name)
    sheet, what_if = shown.sheet.value, WHAT_IFS[NAMES.index(name)]
    assert f"Tình huống: {name}" in words(sheet) and words(what_if.question) in words(sheet)
    kinds = re.findall(r'class="gs-row (old|new)[ "].*?<code[^>]*>(.*?)</code>', sheet)
    kinds = [(kind, re.sub(r"\s", "", words(text))) for kind, text in kinds]
    old, new = ([text for kind, text in kinds if kind == wanted] for wanted in ("old", "new"))
    for before, after in (pair for edits in what_if.edits.values() for pair in edits):
        assert any(re.sub(r"\s", "", before) in text for text in old)
        assert after is None or any(re.sub(r"\s", "", after).split("#")[0] in text for text in new)


def test_code_is_shown_as_it_stands_even_with_signs_of_html():
    function = edited(own_D, ("loss.backward()", 'assert len("<b>&amp;") < 9; loss.backward()'))
    sheet = Panel("mnist", function, **SMALL).sheet.value
    assert "&lt;b&gt;&amp;amp;" in sheet and "<b>&amp;" not in sheet


def test_the_recorded_page_carries_every_stop_and_every_picture_once():
    m = Panel("mnist", own_D, own_G).machine
    film = stepper_page.recorded(m, WHAT_IFS[0])
    assert len(film.encode()) < 300_000 and film.count("<script>") == film.count("</script>") == 1
    stops = json.loads(re.search(r"stops = (\[.*?\]), pictures = ", film)[1])
    pictures = json.loads(re.search(r"pictures = (\[.*?\]);\n", film)[1])
    used = {int(n) for one in stops for n in re.findall(r"@(\d+)@", one)}
    assert len(stops) == len(m.lines()) and used == set(range(len(pictures)))
    assert [words(one) for one in stops] == [
        words(stepper_page.sheet(m, WHAT_IFS[0], stop=m.stops[i])) for i in m.lines()
    ]


# ----------------------------------------------------------------------------------------------- the panel


def click(shown, *names):
    for name in names:
        shown.buttons[name].click()


def at(shown):
    stop = shown.machine.stop
    return stop.iteration, shown.machine.sources[stop.name].text(stop.line) if stop.line else ""


def test_buttons_and_the_slider_go_where_they_say():
    shown, last = Panel("mnist", **SMALL), "yield loss_of_D, loss_of_G"
    click(shown, "back")
    assert AT_START in words(shown.sheet.value)
    click(shown, "step", "half")
    assert AT_START not in words(shown.sheet.value) and at(shown) == (1, "for _ in range(k):")
    click(shown, "half", "iteration", "back_iteration", "back")
    assert at(shown) == (1, "loss_of_G = update_G(D, G, z, optimizer_G)")
    shown.slider.value = shown.slider.max
    assert at(shown) == (1, last)
    shown.slider.value = 0
    assert at(shown) == (1, "") and "Sẵn sàng" in words(shown.sheet.value)
    click(shown, "iteration", "iteration", "restart")
    assert at(shown) == (1, "") and len(shown.machine.history) == 1
    assert all(one.description and one.tooltip for one in shown.buttons.values())


def test_a_what_if_and_the_original_stand_where_each_was_left():
    shown = Panel("mnist", **SMALL)
    click(shown, "iteration", "iteration")
    shown.menu.value = 1
    assert at(shown) == (1, "")
    click(shown, "step", "step")
    shown.menu.value = 0
    assert at(shown) == (2, "yield loss_of_D, loss_of_G") and "Hỏi cả lớp" not in words(shown.sheet.value)
    shown.menu.value = 1
    assert at(shown) == (1, "for _ in range(k):")


def test_only_what_ifs_that_fit_the_reader_s_code_are_offered(few):
    offered = [name for name, _ in Panel("mnist", own_D, own_G, **SMALL).menu.options]
    assert offered == [name for name in NAMES if name not in ("Đảo nhãn", "eqn4 thay loss không bão hoà")]
    assert NAMES[6] not in [name for name, _ in Panel("mnist", **SMALL | {"m": 30}).menu.options]


def run(*panels, during=lambda: None):
    """Begin the long run of each panel; `during`: called while it runs; returns when all stand still."""

    async def main():
        for shown in panels:
            click(shown, "run")
            assert shown.buttons["run"].description == "Dừng"
        while not all(len(shown.machine.history) > 2 for shown in panels):
            await asyncio.sleep(0.01)
        during()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait_for(asyncio.gather(*others), 60)

    asyncio.run(main())
    assert all(shown.buttons["run"].description.startswith("Chạy") for shown in panels)


def test_the_long_run_of_two_panels(few):
    one, two = Panel("mnist", **SMALL), Panel("mnist", own_D, **SMALL | {"seed": 1})
    click(one, *["step"] * 3)
    run(one, two)
    for shown, seed in ((one, 0), (two, 1)):
        assert at(shown) == (RUN, "yield loss_of_D, loss_of_G")
        assert torch.equal(weights(shown.machine.state), trained(few, RUN, seed=seed)[0])


@pytest.mark.parametrize("name", ["run", "step", "back", "half", "iteration", "restart"])
def test_any_button_stops_a_run_and_does_nothing_else(name):
    shown = Panel("mnist", **SMALL)
    run(shown, during=lambda: click(shown, name))
    done = len(shown.machine.history)
    assert (
        2 < done < RUN and at(shown)[0] == done and f"Đã dừng ở vòng lặp {done}" in words(shown.sheet.value)
    )
    click(shown, "step")
    assert at(shown)[0] == done + 1 and "Đã dừng" not in words(shown.sheet.value)


def test_a_run_ends_at_an_error():
    failing = edited(own_D, ("optimizer_D.zero_grad()", "assert len(calls) < 3; calls.append(1)"), calls=[])
    shown = Panel("mnist", failing, **SMALL)
    run(shown)
    assert "AssertionError" in words(shown.sheet.value) and len(shown.machine.history) == 3


def test_the_output_is_a_widget_a_picture_and_the_recorded_iteration(monkeypatch):
    displayed = []
    monkeypatch.setattr(panel, "display", lambda bundle, **options: displayed.append((bundle, options)))
    monkeypatch.setattr(sys.modules[Panel.__module__], "display", lambda shown: displayed.append(shown))
    assert stepper(**SMALL) is None
    (bundle, options), *_, film = displayed
    alt = options["metadata"]["image/png"]["alt"]
    assert (
        any("widget-view" in kind for kind in bundle) and "optimizer_D.step()" in alt and "θ_d dịch đi" in alt
    )
    assert film.data.count("<details") == 1 and "Không cần chạy gì" in film.data
