"""The stepper: the same bits as training, whatever is looked at; what it tells of every line; its panel."""

import asyncio
import copy
import functools
import html
import json
import math
import random
import re
import sys
import unicodedata
from itertools import islice

import pytest
import torch
from conftest import same, weights
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from ganlib import algorithm, data, training
from ganlib.algorithm import loss_D, loss_G
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
    return " ".join([*(f"{head}: {words}" for head, words in heads), more]), " ".join(bad)


def sentences(m):
    """(function, line) -> what is told after it, and what is wrong, in the iteration at hand."""
    return {(s.name[-1], m.sources[s.name].text(s.line)): told(m, s) for s in m.lines if s.line}


def words(sheet):
    """The page as a reader sees it, without tags."""
    text = re.sub(r"<[^>]*>", " ", re.sub(r"<sub>(.)</sub>", r"_\1", sheet))
    return html.unescape(re.sub(r"\s+", " ", text))


OTHERS = {"k": 2, "loss": "minimax", "average": 0.0, "seed": 4}


@pytest.mark.parametrize(("functions", "settings"), [((), OTHERS), ((own_D, own_G), {})], ids=str)
def test_looking_changes_no_bit(few, functions, settings):
    outside, m = torch.get_rng_state(), machine(*functions, **settings)
    while len(m.history) < 15 or m.at + 1 < len(m.lines):  # twelve iterations an epoch, or fewer
        stepper_page.sheet(m, WHAT_IFS[0])
        m.step()
    expected, losses = trained(few, 15, *functions, **settings)
    assert same(weights(m.state), expected) and m.history == losses
    assert torch.equal(torch.get_rng_state(), outside)
    if functions:  # they do what ganlib's do
        assert same(expected, trained(few, 15)[0])


def test_a_random_walk_of_300_commands(few):
    chance, m, seen = random.Random(0), machine(k=2), {}
    commands = [m.step, m.step, m.back, m.finish_half, m.finish_iteration, m.back_iteration]
    for _ in range(300):
        assert chance.choice(commands)() in ("", AT_START, NOT_KEPT)
        assert seen.setdefault((m.stop.iteration, m.at), m.stop) is m.stop  # what was shown is shown again
    expected, losses = trained(few, len(m.history), k=2)
    assert len(m.history) > 20 and same(weights(m.state), expected) and m.history == losses


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


def simultaneous(few, n):
    """Weights after n iterations of what the authors' code does, written out."""
    state = training.start("cpu", fast=False, **SMALL)
    with state.own_randomness():
        for i in range(n):
            if i % 12 == 0:
                batches = iter(torch.randperm(len(few)).split(10))
            z, x, before = state.noise(10), few.batch(next(batches)), copy.deepcopy(state.D)
            algorithm.update_D(state.D, state.G, x, z, state.optimizer_D)
            algorithm.update_G(before, state.G, z, state.optimizer_G)
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
    assert same(weights(m.state), BY_HAND[i](few))
    assert same(weights(m.state), trained(few, 14)[0]) == (i < 2)  # to forget detach costs work, no more


def test_a_hundred_iterations_can_be_gone_back_over():
    m = machine()
    for _ in range(KEPT + 20):
        m.finish_iteration()
    while not m.back_iteration():
        pass
    assert m.stop.iteration == 21 and m.back() == NOT_KEPT
    m.finish_iteration()
    assert len(m.history) == KEPT + 20  # nothing ran again


def test_what_every_line_of_algorithm_1_did():
    """Who has a gradient, who moves: the table of notebook 03."""
    m, seen = machine(), {}
    for stop in m.lines[1:]:
        text, (D, G), update = m.sources[stop.name].text(stop.line), stop.networks.values(), stop.name[-1]
        seen[update, text] = stop
        assert [D.step > 0, G.step > 0] == [text == f"optimizer_{one}.step()" for one in "DG"]
        assert (D.gradient != D.was) == (text == "loss.backward()")
        assert (G.gradient != G.was) == (text == "loss.backward()" and update == "G")
        assert told(m, stop)[1] == ""
    fake, z = seen["D", "fake = G(z).detach()"], seen["s", "z = noise(m)"]
    assert fake.new == ["fake"] and fake.held["fake"].shape == (10, 1, 28, 28) and not fake.held["fake"].graph
    assert z.new == ["z"] and z.held["x"].low == -1 and (fake.half, z.half) == ("D", "G")
    moved = seen["D", "optimizer_D.step()"]
    assert moved.mine.moved == moved.mine.step and moved.other.moved == 0
    (_, before), (_, now) = moved.before["x"], moved.now["x"]
    assert now.mean() > before.mean() and torch.equal(moved.before["G"][0], moved.now["G"][0])
    assert not torch.equal(z.now["G"][0], seen["G", "optimizer_G.step()"].now["G"][0])
    assert seen["G", "fake_logit = D(G(z))"].held["fake_logit"].graph


@torch.no_grad()
def test_answers_are_of_the_whole_batch_without_dropout():
    m = machine()
    m.finish_iteration()
    fake = m.state.G(m.outer["z"])
    images, answers = m.stop.now["G"]
    torch.testing.assert_close(answers, torch.sigmoid(m.state.D.eval()(fake)))
    torch.testing.assert_close(images, data.to_pixels(fake[:8, 0]))


CLEAR, BACK = "optimizer_D.zero_grad()", "loss.backward()"
STEP, RETURN = "optimizer_D.step()", "return loss.detach()"
SAID = [  # after the lines of own_D
    (BACK, "gradient của θ_d: None → "),
    (BACK, "θ_g vẫn None, vì `fake` không mang đồ thị"),
    (BACK, "mọi trọng số"),
    (STEP, "θ_d dịch đi"),
    (STEP, "D(x): 0."),
    (STEP, "θ_g, dịch đi đúng 0"),
    ("loss_real = cross_entropy( D(x), torch.ones(len(x)), )", "có `loss_real`: "),  # one stop, four lines
    (RETURN, "update_D trả về"),
]


def test_the_sentence_says_what_changed_and_what_did_not():
    said = {text: words for (name, text), (words, _) in sentences(machine(own_D)).items() if name == "D"}
    assert [pair for pair in SAID if pair[1] not in said[pair[0]]] == []
    texts = [*said.values(), *(words for one in WHAT_IFS for words in (one.name, one.question))]
    assert all(unicodedata.is_normalized("NFC", text) for text in texts)


CLEARED_LATE = [(CLEAR, None), (BACK, f"{BACK}\n    {CLEAR}")]
NO_DETACH = ("G(z).detach()", "G(z)")
G_MOVES = "SGD(G.parameters()).step()"
NOBODYS = "SGD([torch.ones(1)]).step()"
WRONG = [  # edits of own_D, the line where it is told, in these words
    (CLEARED_LATE, CLEAR, "bị xoá trước khi bộ tối ưu kịp bước"),
    (CLEARED_LATE, STEP, "gradient của nó là None"),
    (CLEARED_LATE, RETURN, "θ_d không dịch đi chút nào"),
    ([NO_DETACH], BACK, "Đã quên detach()?"),
    ([NO_DETACH], RETURN, "update_D để lại gradient ở θ_g"),
    ([NO_DETACH, (STEP, G_MOVES)], G_MOVES, "Nhầm mạng"),
    ([(STEP, NOBODYS)], NOBODYS, "Hãy dùng optimizer_D mà hàm"),
    ([(STEP, None)], RETURN, "có gradient mà không bộ tối ưu nào bước theo"),
    ([(RETURN, None)], STEP, "update_D trả về None, không phải tensor: thiếu return loss.detach()?"),
    ([(RETURN, "return loss.item()")], "return loss.item()", "không phải tensor: thiếu return"),
    ([(RETURN, "return loss")], "return loss", "loss trả về còn mang đồ thị"),
    ([("    fake =", "    D = deepcopy(D)\n    fake =")], BACK, "θ_d không nhận gradient nào"),
]


@pytest.mark.parametrize(("edits", "line", "expected"), WRONG)
def test_what_is_wrong_with_a_function_is_told_at_its_line(edits, line, expected):
    names = {"SGD": functools.partial(torch.optim.SGD, lr=0.1), "deepcopy": copy.deepcopy}
    m = machine(edited(own_D, *edits, **names))
    at = [text for (name, text), (_, bad) in sentences(m).items() if expected in bad and name == "D"]
    assert at[0] == line
    while m.finish_iteration() == "" and len(m.history) < 2:
        pass
    assert m.over == ("thiếu return" in expected)  # `steps` wants tensors; else it goes on


def test_gradients_that_are_left_over_are_told_from_those_that_add_up():
    m, found = machine(what_if=NAMES.index("Quên xoá gradient")), {}
    for i in (1, 2):
        found[i] = any("đã quên xoá?" in bad for _, bad in sentences(m).values())
        m.finish_iteration()
        m.step()
    assert found == {1: False, 2: True}
    two = "loss_real.backward(); loss_real = loss_real.detach(); loss ="
    m = machine(edited(own_D, ("loss = loss_real +", f"{two} loss_real +")))
    assert {bad for _, bad in sentences(m).values()} == {""}


def test_numbers_that_are_none():
    m = machine(lr_D=1e38, lr_G=1e38)
    for _ in range(4):
        m.finish_iteration()
        assert words(stepper_page.sheet(m, WHAT_IFS[0]))
    assert not all(map(math.isfinite, m.history[-1])) and m.back() == ""


@pytest.mark.parametrize(
    ("line", "error", "hint"),
    [
        ("los = D(x) + los", "UnboundLocalError", "trước khi được gán"),
        ("los_D(D(x))", "NameError: name 'los_D'", "Tên này chưa có"),
        ("cross_entropy(D(x), torch.ones(3))", "ValueError", "Hình dạng không khớp"),
        ("loss_real.backward(), loss_real.backward()", "RuntimeError", "đã được giải phóng"),
        ("loss_real.detach().backward()", "RuntimeError", "loss không nối với trọng số nào"),
        ("D(x).backward()", "RuntimeError", "thiếu mean()?"),
        ("own_G(D, G, z)", "TypeError: own_G()", "thiếu hoặc thừa tham số"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "Bạn đã ngắt hàm"),  # the kernel's stop button
    ],
)
def test_an_exception_is_shown_at_its_line(line, error, hint):
    before, tracer = sys.gettrace(), lambda frame, event, value: None
    try:
        sys.settrace(tracer)
        m = machine(edited(own_D, ("loss = loss_real", f"{line}\n    loss = loss_real")))
        assert sys.gettrace() is tracer  # the one before is put back
    finally:
        sys.settrace(before)
    while m.step() == "":
        pass
    assert m.step() == m.finish_iteration() == OVER and m.history == []
    said, bad = told(m, m.stop)
    assert f"`{line}`" in said and error in bad and hint in said
    sheet = stepper_page.sheet(m, WHAT_IFS[0])
    assert re.search(r'gs-bad" aria-current="step"', sheet) and "fake" in m.stop.held
    assert m.back() == "" and m.stop.error is None
    assert stepper_page.picture(m)[0].startswith(b"\x89PNG") and stepper_page.recorded(m, WHAT_IFS[0])


def test_a_function_that_runs_its_lines_very_often(few):
    busy = edited(own_D, (BACK, f"for i in range(5000):\n        i += 1\n    {BACK}"))
    m = machine(busy)
    assert len(m.lines) == LINES + 1 and m.history == trained(few, 1, busy)[1]
    m.finish_iteration()
    assert m.finish_iteration() == "" and len(m.history) == 2


@pytest.mark.parametrize(
    ("given", "error", "expected"),
    [
        ({"update_D": 3}, TypeError, "update_D phải là .*đã nhận 3"),
        ({"update_D": functools.partial(own_D)}, TypeError, "update_D phải là một hàm viết bằng def"),
        ({"update_G": eval("lambda D, G, z, optimizer_G: 0.0")}, TypeError, "trong một ô hay một tệp"),
        ({"k": 0}, ValueError, "k phải là số nguyên từ 1"),
        ({"k": 5, "m": 30}, ValueError, "Hãy giảm k hoặc m"),
        ({"learning_rate": 1}, TypeError, "learning_rate"),
    ],
)
def test_what_does_not_fit_is_refused(given, error, expected):
    with pytest.raises(error, match=expected):
        stepper(**SMALL | given)


def winding(n):
    """A function with everything in it."""
    total = sum(i * i
        for i in range(n))  # fmt: skip
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
    assert watch(lambda: next(generator), {"w": source}, look) == -14
    total, caught = "total = sum(i * i for i in range(n))", ["try:", 'int("x")', "except ValueError:"]
    assert [text for _, text, _ in seen] == ["", total, *caught, "total = -total", "yield total"]
    assert seen[-1][2] == (-14,) and {ended for *_, ended in seen[:-1]} == {()}
    with pytest.raises(LookupError) as caught:
        watch(lambda: next(generator), {"w": source}, look)
    assert place(caught.value, {"w": source})[:2] == ("w", len(source.lines))
    assert place(ValueError(), {"w": source}) is None


def test_every_stop_lights_its_lines_and_names_its_step():
    shown = Panel("mnist", own_D, own_G, **SMALL)
    m, steps = shown.machine, []
    while m.at + 1 < len(m.lines):
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


def test_the_page_shows_code_as_it_stands_with_comments_and_formulas():
    function = edited(own_D, (BACK, f'assert len("<b>&amp;") < 9; {BACK}'))
    shown = words(Panel("mnist", function, **SMALL).sheet.value)
    assert 'assert len("<b>&amp;") < 9' in shown and ".detach() # chỉ là dữ liệu" in shown
    assert "∇θ_d 1/m Σ [log D(x) + log(1−D(G(z)))]" in shown and "∇θ_g 1/m Σ −log D(G(z))" in shown
    assert "# 6. lặp lại từ bước 1" in shown and "def iterations" not in shown and '"""' not in shown


@pytest.mark.parametrize("i", range(1, len(WHAT_IFS)), ids=NAMES[1:])
def test_an_edit_is_shown_struck_out_and_below_it_the_new_line(i):
    shown, what_if = Panel("mnist", **SMALL), WHAT_IFS[i]
    shown.menu.value = i
    sheet = shown.sheet.value
    assert f"Tình huống: {what_if.name}" in words(sheet) and words(what_if.question) in words(sheet)
    rows = re.findall(r'class="gs-row (old|new)[ "].*?<code[^>]*>(.*?)</code>', sheet)
    rows = [(kind, re.sub(r"\s", "", words(text))) for kind, text in rows]
    for before, after in (pair for edits in what_if.edits.values() for pair in edits):
        for kind, text in (("old", before), ("new", (after or "").split("#")[0])):
            assert not text or any(re.sub(r"\s", "", text) in row for of, row in rows if of == kind)


def test_the_recorded_page_carries_every_stop_and_every_picture_once():
    m = Panel("mnist", own_D, own_G).machine
    film = stepper_page.recorded(m, WHAT_IFS[0])
    assert len(film.encode()) < 300_000 and film.count("<script>") == film.count("</script>") == 1
    stops = json.loads(re.search(r"stops = (\[.*?\]), pictures = ", film)[1])
    pictures = json.loads(re.search(r"pictures = (\[.*?\]);\n", film)[1])
    used = {int(n) for one in stops for n in re.findall(r"@(\d+)@", one)}
    assert used == set(range(len(pictures)))
    assert [*map(words, stops)] == [words(stepper_page.sheet(m, WHAT_IFS[0], stop=one)) for one in m.lines]


def click(shown, *names):
    for name in names:
        shown.buttons[name].click()


def at(shown):
    """Where it stands: the iteration, D's step in it, the line."""
    stop = shown.machine.stop
    text = shown.machine.sources[stop.name].text(stop.line) if stop.line else ""
    return stop.iteration, stop.turn, text


def test_buttons_and_the_slider_go_where_they_say():
    shown, last = Panel("mnist", **SMALL | {"k": 2}), "yield loss_of_D, loss_of_G"
    click(shown, "back", "back_iteration")
    assert at(shown) == (1, 0, "") and AT_START in words(shown.sheet.value)
    click(shown, "step", "half")
    assert at(shown) == (1, 2, "for _ in range(k):") and AT_START not in words(shown.sheet.value)
    click(shown, "half")
    assert at(shown) == (1, 2, last)
    click(shown, "iteration")
    assert at(shown) == (2, 2, last)
    click(shown, "back_iteration", "back")
    assert at(shown) == (1, 2, "loss_of_G = update_G(D, G, z, optimizer_G)")
    shown.slider.value = shown.slider.max
    assert at(shown) == (1, 2, last)
    click(shown, "back_iteration")
    assert at(shown) == (1, 0, "") and shown.slider.value == 0 and "Sẵn sàng" in words(shown.sheet.value)
    click(shown, "iteration", "iteration", "restart")
    assert at(shown) == (1, 0, "") and len(shown.machine.history) == 1


def test_a_what_if_and_the_original_stand_where_each_was_left():
    shown = Panel("mnist", **SMALL)
    click(shown, "iteration", "iteration")
    shown.menu.value = 1
    assert at(shown) == (1, 0, "")
    click(shown, "step", "step")
    shown.menu.value = 0
    assert at(shown)[0] == 2 and "Hỏi cả lớp" not in words(shown.sheet.value)
    shown.menu.value = 1
    assert at(shown) == (1, 0, "for _ in range(k):")


def test_only_what_ifs_that_fit_the_reader_s_code_and_images_are_offered():
    for functions, m, missing in (
        ((), 30, {"D đi năm bước"}),  # of 120 images
        ((own_D, own_G), 10, {"Đảo nhãn", "eqn4 thay loss không bão hoà"}),
    ):
        offered = [name for name, _ in Panel("mnist", *functions, **SMALL | {"m": m}).menu.options]
        assert offered == [name for name in NAMES if name not in missing]


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
        assert at(shown) == (RUN, 1, "yield loss_of_D, loss_of_G")
        assert same(weights(shown.machine.state), trained(few, RUN, seed=seed)[0])


@pytest.mark.parametrize("name", ["run", "back"])
def test_any_button_stops_a_run_and_does_nothing_else(name):
    shown = Panel("mnist", **SMALL)
    run(shown, during=lambda: click(shown, name))
    done = len(shown.machine.history)
    assert 2 < done < RUN and at(shown)[0] == done
    assert f"Đã dừng ở vòng lặp {done}" in words(shown.sheet.value)
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
    assert any("widget-view" in kind for kind in bundle)
    assert "optimizer_D.step()" in alt and "θ_d dịch đi" in alt
    assert film.data.count("<details") == 1 and "Không cần chạy gì" in film.data
