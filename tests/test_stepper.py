"""The stepper: the same bits as training, whatever is looked at; what it tells of every line; its panel."""

import _thread
import copy
import functools
import html
import json
import random
import re
import sys
import threading
import unicodedata
from itertools import islice

import pytest
import torch
from conftest import random_images, same, weights
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from ganlib import algorithm, training
from ganlib.widgets import STYLE, page
from ganlib.widgets import stepper as show_stepper
from ganlib.widgets.machine import LINES, OVER
from ganlib.widgets.stepper import WHAT_IFS, Panel
from ganlib.widgets.watch import Source, edited, watch

FEW = random_images()  # an epoch of twelve iterations
SMALL = {"hidden_G": (8, 16), "hidden_D": (16, 8), "m": 10, "lr_D": 0.002}
NAMES = [what_if.name for what_if in WHAT_IFS]
LAST = "yield loss_of_D, loss_of_G"


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


def trained(n, *functions, images=FEW, **settings):
    """Weights after n iterations that nobody looks at."""
    state = training.start("cpu", fast=False, **SMALL | settings)
    list(islice(training.steps(state, images, *functions), n))
    return weights(state)


def panel(*functions, data=FEW, **settings):
    return Panel(*functions, data=data, **SMALL | settings)


def machine(*functions, **settings):
    return panel(*functions, **settings).machine


def words(sheet):
    """The page as a reader sees it, without tags."""
    text = re.sub(r"<[^>]*>", " ", re.sub(r"<sub>(.)</sub>", r"_\1", sheet))
    return html.unescape(re.sub(r"\s+", " ", text))


def sentences(m):
    """(function, line) -> what is told after it, in the iteration at hand."""
    return {(s.name[-1], m.sources[s.name].text(s.line)): words(page.says(m, s)) for s in m.lines if s.line}


@pytest.mark.parametrize("functions", [(), (own_D, own_G)], ids=["ganlib", "own"])
def test_looking_and_going_anywhere_changes_no_bit(functions):
    settings = {} if functions else {"k": 2, "loss": "minimax", "average": 0.0, "seed": 4}
    outside, chance, m = torch.get_rng_state(), random.Random(0), machine(*functions, **settings)
    while m.state.iterations < 9:
        assert page.sheet(m, WHAT_IFS[0]) and not m.move(chance.choice(["step", "step", "back", "half", "iteration"]))
    assert torch.equal(torch.get_rng_state(), outside)
    assert same(weights(m.state), trained(9, **settings))  # the reader's do what ganlib's do


def own_networks():
    """With all that must be asked in eval mode: BatchNorm, Dropout, noise of its own; D answers (m, 1)."""

    class Noisy(nn.Module):
        def forward(self, x):
            return x + 0.1 * torch.randn_like(x)

    torch.manual_seed(1)
    G = nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 144), nn.Tanh(), nn.Unflatten(1, (3, 6, 8))
    D = nn.Flatten(), Noisy(), nn.Linear(144, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 1)
    return {"G": nn.Sequential(*G), "D": nn.Sequential(*D), "latent_dim": 5}, torch.rand(60, 3, 6, 8) * 2 - 1


def test_own_networks_and_own_images_from_the_same_start_each_time():
    networks, colour = own_networks()
    begun = copy.deepcopy(networks)
    shown = panel(data=colour, **networks)
    for i in (0, NAMES.index("Đảo nhãn"), 0):
        shown.menu.value = i
        shown.restart()
        for _ in range(3):
            shown.move("iteration")
        if not i:
            assert same(weights(shown.machine.state), trained(3, images=colour, **copy.deepcopy(begun)))
    for name in "GD":  # the reader's own stay as they are, buffers too
        assert same(networks[name].state_dict().values(), begun[name].state_dict().values())
        assert networks[name].training
    sheet = shown.sheet.value
    assert "60 ảnh của bạn · vòng lặp 3" in words(sheet) and "trên G, D của bạn" in words(sheet)
    assert sheet.count("<img") == 4 and shown.machine.stop.now["x"][0].shape == (8, 3, 6, 8)


def test_points_of_a_plane_and_objects_of_ones_own():
    """What is no image shows D's answers only; what only the reader's update_D understands, none."""
    mlp = lambda n: nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, n))  # noqa: E731
    m = machine(data=torch.randn(50, 2), G=mlp(2), D=mlp(1), latent_dim=2)
    m.move("iteration")
    sheet = page.sheet(m, WHAT_IFS[0])
    assert "<img" not in sheet and "gs-bars" in sheet and page.picture(m)

    class Pairs:
        def __len__(self):
            return 40

        def batch(self, indices):
            return torch.zeros(len(indices), 2), indices  # points and labels

    of_pairs = edited(own_D, ("optimizer_D.zero_grad()", "optimizer_D.zero_grad(); x, labels = x"))
    m = machine(of_pairs, data=Pairs(), G=mlp(2), D=nn.Sequential(mlp(1), nn.Flatten(0)), latent_dim=2)
    m.move("iteration")
    assert m.stop.error is None and "chưa có" in page.sheet(m, WHAT_IFS[0])


def simultaneous(n):
    """Weights after n iterations of what the authors' code does, written out."""
    state = training.start("cpu", fast=False, **SMALL)
    with state.own_randomness():
        for i in range(n):
            if i % 12 == 0:
                batches = iter(torch.randperm(len(FEW)).split(10))
            z, x, before = state.noise(10), FEW.batch(next(batches)), copy.deepcopy(state.D)
            algorithm.update_D(state.D, state.G, x, z, state.optimizer_D)
            algorithm.update_G(before, state.G, z, state.optimizer_G)
            state.after()
    return weights(state)


CLEAR, SWAPPED = "optimizer_{}.zero_grad()", "loss_D(fake_logit, real_logit)"
NEVER_CLEARED = [edited(getattr(algorithm, f"update_{N}"), (CLEAR.format(N), "pass")) for N in "DG"]
OTHER_WAY = edited(algorithm.update_D, ("loss_D(real_logit, fake_logit)", SWAPPED))
BY_HAND = [  # in the order of the menu
    trained,
    trained,  # without detach: G's gradient is cleared before it steps
    lambda n: trained(n, *NEVER_CLEARED),
    lambda n: trained(n, OTHER_WAY),
    lambda n: trained(n, loss="minimax"),
    lambda n: trained(n, lr_G=0.0),
    lambda n: trained(n, k=5),
    simultaneous,
]
FORMULAS = {"Đảo nhãn": ("", "loss_G"), "eqn4 thay loss không bão hoà": ("loss_D", "loss_G_minimax")}


@pytest.mark.filterwarnings("ignore:Detected call")  # as ganlib.state has it: one what-if never steps
@pytest.mark.parametrize("i", range(len(WHAT_IFS)), ids=NAMES)
def test_every_what_if_is_the_same_change_made_by_hand_and_is_shown(i):
    shown, what_if = panel(), WHAT_IFS[i]
    shown.menu.value = i
    m = shown.machine
    assert (m.loss["D"], m.loss["G"]) == FORMULAS.get(what_if.name, ("loss_D", "loss_G"))
    rows = re.findall(r'class="gs-row (old|new)[ "].*?<code[^>]*>(.*?)</code>', shown.sheet.value)
    rows = [(kind, re.sub(r"\s", "", words(text))) for kind, text in rows]
    for before, after in (pair for edits in what_if.edits.values() for pair in edits):
        for kind, text in (("old", before), ("new", (after or "").split("#")[0])):
            assert not text or any(re.sub(r"\s", "", text) in row for of, row in rows if of == kind)
    assert f"Tình huống: {what_if.name}" in words(shown.sheet.value) or not i
    for _ in range(13):
        m.move("iteration")
    assert same(weights(m.state), BY_HAND[i](m.state.iterations)) and m.stop.error is None


def test_only_what_ifs_that_fit_the_reader_s_code_and_images_are_offered():
    offered = [name for name, _ in panel(own_D, own_G, m=30).menu.options]
    missing = "D đi năm bước", "Đảo nhãn", "eqn4 thay loss không bão hoà"  # five times 30 of 120 images
    assert offered == [name for name in NAMES if name not in missing]


def test_what_every_line_of_algorithm_1_did():
    """Who has a gradient, who moves: the table of notebook 03."""
    m, seen = machine(), {}
    for stop in m.lines[1:]:
        text, (D, G), update = m.sources[stop.name].text(stop.line), stop.networks.values(), stop.name[-1]
        seen[update, text] = stop
        assert [D.step > 0, G.step > 0] == [text == f"optimizer_{one}.step()" for one in "DG"]
        assert (D.gradient != D.was) == (text == "loss.backward()")
        assert (G.gradient != G.was) == (text == "loss.backward()" and update == "G")
        assert page.troubles(stop, text) == []
    z, moved = seen["s", "z = noise(m)"], seen["D", "optimizer_D.step()"]
    assert z.new == ["z"] and (moved.half, z.half) == ("D", "G")
    assert moved.networks["D"].moved == moved.networks["D"].step and moved.networks["G"].moved == 0
    assert moved.now["x"][1].mean() > moved.before["x"][1].mean()
    said = sentences(m)
    assert "2 log 2" in said["D", "loss = loss_D(real_logit, fake_logit)"]
    assert "vì D vừa học trên chính những z cũ" in said["s", "z = noise(m)"]
    told = json.dumps(page.WORDS, ensure_ascii=False) + " ".join(said.values())
    assert unicodedata.is_normalized("NFC", told) and "tham số" not in told
    m.move("iteration")
    with torch.no_grad():  # the answers are of the whole batch, without Dropout
        fake = m.state.G(m.outer["z"])
        torch.testing.assert_close(m.stop.now["G"][1], torch.sigmoid(m.state.D.eval()(fake)))


@pytest.mark.parametrize("smooth", [1.0, 0.9])
def test_formulas_and_levels_stand_beside_the_series_losses_only(smooth):
    shown = panel(edited(own_D, ("torch.ones(len(x)),", f"torch.ones(len(x)) * {smooth},")), own_G)
    sheet, said = words(shown.sheet.value), " ".join(sentences(shown.machine).values())
    assert ("∇θ_d 1/m Σ [log D(x)" in sheet) == ("2 log 2" in said) == (smooth == 1)
    assert "∇θ_g 1/m Σ −log D(G(z))" in sheet


BACK, STEP, RETURN = "loss.backward()", "optimizer_D.step()", "return loss.detach()"
CLEAR_D = CLEAR.format("D")
CLEARED_LATE = [(CLEAR_D, None), (BACK, f"{BACK}\n    {CLEAR_D}")]
NO_DETACH = ("G(z).detach()", "G(z)")
G_MOVES = "SGD(G.parameters()).step()"
WRONG = [  # edits of own_D, the line where it is told, in these words
    (CLEARED_LATE, STEP, "gradient của nó đã bị xoá"),
    (CLEARED_LATE, RETURN, "θ_d không dịch đi chút nào"),
    ([NO_DETACH], BACK, "Đã quên detach()?"),
    ([NO_DETACH, (STEP, G_MOVES)], G_MOVES, "Nhầm mạng"),
    ([(RETURN, None)], STEP, "update_D trả về NoneType, không phải tensor: thiếu return loss.detach()?"),
    ([(RETURN, "return loss")], "return loss", "loss trả về còn mang đồ thị"),
    ([("    fake =", "    D = deepcopy(D)\n    fake =")], BACK, "loss không nối với D mà hàm nhận vào"),
    ([("loss = loss_real", "los_D(D(x)); loss = loss_real")], "los_D(D(x))", "Tên này chưa có"),
    ([("D(x),", "D(x)[:3],")], "loss_real =", "Hình dạng không khớp"),
    ([(BACK, "loss.detach().backward()")], "loss.detach().backward()", "đã cắt đồ thị?"),
    ([(BACK, "raise KeyboardInterrupt")], "raise KeyboardInterrupt", "Bạn đã ngắt hàm"),  # the Stop button
    ([(BACK, "stop_soon()\n    while len(x) > 1: pass")], "while len(x) > 1: pass", "Bạn đã ngắt hàm"),
]


@pytest.mark.parametrize(("edits", "line", "expected"), WRONG)
def test_what_is_wrong_with_a_function_is_told_at_its_line(edits, line, expected):
    names = {"SGD": functools.partial(torch.optim.SGD, lr=0.1), "deepcopy": copy.deepcopy}
    names["stop_soon"] = lambda: threading.Timer(0.1, _thread.interrupt_main).start()
    before, m = sys.gettrace(), machine(edited(own_D, *edits, **names))
    assert sys.gettrace() is before
    at = [text for (name, text), said in sentences(m).items() if expected in said and name == "D"]
    assert line in at[0]
    assert line not in m.lines[-1].name and page.picture(m)[1] and page.recorded(m, WHAT_IFS[0])


def test_a_run_ends_at_an_error_and_play_says_so():
    failing = edited(own_D, (CLEAR_D, "assert len(calls) < 3; calls.append(1)"), calls=[])
    shown = panel(failing)  # asked once more than it is stepped through: for its formula
    for tick in range(1, 5):
        shown.player.value = tick
    text = words(shown.sheet.value)
    assert "Lỗi ở dòng này: assert len(calls) < 3" in text and OVER in text
    assert 'gs-bad" aria-current' in shown.sheet.value and shown.fault.value == ""
    shown.move("back")
    assert shown.machine.stop.error is None


def test_gradients_left_over_numbers_that_are_none_and_lines_that_run_very_often():
    shown, found = panel(), []
    shown.menu.value = NAMES.index("Quên xoá gradient")
    m = shown.machine
    for _ in range(2):
        found.append(any("đã quên xoá?" in said for said in sentences(m).values()))
        m.move("iteration")
        m.move("step")
    assert found == [False, True]  # they add up from the second iteration on
    m = machine(lr_D=1e38, lr_G=1e38)
    for _ in range(4):
        m.move("iteration")
        assert words(page.sheet(m, WHAT_IFS[0]))
    m = machine(edited(own_D, (BACK, f"for i in range(5000):\n        i += 1\n    {BACK}")))
    assert len(m.lines) == LINES + 1 and m.move("iteration") == ""


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [("update_D", functools.partial(own_D), "hàm viết bằng def"), ("k", 13, "giảm k hoặc m")]
    + [("data", torch.rand(60, 1, 28, 28), "Normalize")],
)
def test_what_does_not_fit_is_refused(name, given, expected):
    with pytest.raises((TypeError, ValueError), match=expected):
        show_stepper(**{"data": FEW} | SMALL | {name: given})


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

    def look(name, line, variables, ended, error):
        seen.append((source.text(line) if line else "", ended, error))

    generator = winding(4)
    assert watch(lambda: next(generator), {"w": source}, look) == -14
    total, caught = "total = sum(i * i for i in range(n))", ["try:", 'int("x")', "except ValueError:"]
    assert [text for text, *_ in seen] == ["", total, *caught, "total = -total", "yield total"]
    assert seen[-1][1:] == ((-14,), None) and {ended for _, ended, _ in seen[:-1]} == {()}
    with pytest.raises(LookupError) as caught:
        watch(lambda: next(generator), {"w": source}, look)
    assert seen[-1][0].startswith("raise LookupError") and seen[-1][2] is caught.value


def test_every_stop_lights_its_lines_and_names_its_step_and_is_in_the_recorded_page():
    shown, steps = panel(own_D, own_G), []
    m, sheets = shown.machine, [words(shown.sheet.value)]
    assert "Sẵn sàng" in sheets[0] and "# 6. lặp lại từ bước 1" in sheets[0] and "def iterations" not in sheets[0]
    while m.at + 1 < len(m.lines):
        shown.move("step")
        sheet, stop = shown.sheet.value, m.stop
        lit = re.findall(r'aria-current="step"><b>(\d?)</b><code[^>]*>(.*?)</code>', sheet)
        first, last = m.sources[stop.name].span(stop.line)
        code = m.sources[stop.name].lines[first - 1].split("  # ")[0].replace(" ", "")
        assert len(lit) == last - first + 1 and words(lit[0][1]).replace(" ", "").startswith(code)
        assert "Dòng vừa chạy" in words(sheet) and "gs-bad" not in sheet  # nothing is wrong with these functions
        assert sheet.count("<img") == (4 if stop.now else 0)
        steps += [step for step, _ in lit[:1] if step]
        sheets.append(words(sheet))
    assert steps == ["3", "1", "2", "3", "4", "5", "6"] and "update_D, update_G của bạn" in sheets[-1]
    film = page.recorded(m, WHAT_IFS[0])
    stops = json.loads(re.search(r"stops = (\[.*?\]), pictures = ", film)[1])
    pictures = json.loads(re.search(r"pictures = (\[.*?\]);\n", film)[1])
    assert {int(n) for one in stops for n in re.findall(r"@(\d+)@", one)} == set(range(len(pictures)))
    assert [*map(words, stops)] == sheets and len(film.encode()) < 300_000


def at(shown):
    """Where it stands: the iteration, D's step in it, the line."""
    stop = shown.machine.stop
    return stop.iteration, stop.turn, shown.machine.sources[stop.name].text(stop.line) if stop.line else ""


def test_buttons_and_the_slider_go_where_they_say():
    shown = panel(k=2)
    for how, place in (
        ("back", (1, 0, "")),
        ("step", (1, 0, "batches = iter(torch.randperm(len(images)).split(m))")),
        ("half", (1, 2, "for _ in range(k):")),
        ("half", (1, 2, LAST)),
        ("iteration", (2, 2, LAST)),
        ("back", (2, 2, "loss_of_G = update_G(D, G, z, optimizer_G)")),
    ):
        shown.move(how)
        assert at(shown) == place and shown.slider.value == shown.machine.at
    shown.slider.value = shown.slider.max
    assert at(shown) == (2, 2, LAST)
    shown.player.value = 1
    assert at(shown) == (3, 2, LAST)
    shown.restart()
    assert at(shown) == (1, 0, "") and shown.slider.value == 0


def test_letters_grow_with_the_page():
    """No size of letters in pixels but what stands in where JupyterLab says none."""
    sizes = re.findall(r"font(?:-size)?:[^;}]*", page.STYLE + STYLE)
    assert len(sizes) > 8 and not re.search(r"\d(px|pt)", re.sub(r"var\([^)]*\)", "", " ".join(sizes)))
