"""The stepper against algorithm.steps, bit for bit, whatever is shown, taken back or run beside it."""

import re
import unicodedata
from itertools import islice

import pytest
import torch

from ganlib import data, stepper
from ganlib.algorithm import start, steps
from ganlib.stepper import COUNT, KEPT, LAST, SITUATIONS, STOPS, Stepper

SMALL = {"hidden_G": (8, 16), "hidden_D": (16, 8), "m": 5, "lr_D": 0.002, "dropout": 0.3}


@pytest.fixture(scope="module", autouse=True)
def sample(tmp_path_factory):
    """`load` finds the shipped sample and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GANLIB_DATA", raising=False)
        patch.setenv("GANLIB_OFFLINE", "1")
        patch.setattr(data, "cache_folder", lambda: tmp_path_factory.mktemp("cache"))
        patch.setattr(data, "_failures", {})
        yield


@pytest.fixture(scope="module")
def images(sample):
    """Thirty real digits: an epoch is soon over."""
    digits = data.load("mnist")
    assert digits.source == "sample"
    return data.Images("few", digits.pixels[:30], digits.labels[:30], "sample", "")


def weights(state):
    networks = [state.G, state.D] + ([state.G_avg] if state.G_avg else [])
    return torch.cat([p.detach().flatten() for network in networks for p in network.parameters()])


def as_steps(images, n, **settings):
    """What algorithm.steps makes of it in n iterations: measured, weights."""
    state = start("cpu", "fp32", **SMALL | settings)
    measured = [tuple(map(float, iteration)) for iteration in islice(steps(state, images), n)]
    return measured, weights(state)


def told(machine):
    """All that a view tells, and G's gradients, in a form that compares."""
    v, gradients = machine.view(), tuple(p.grad for p in machine.state.G.parameters())
    return plain((*vars(v).values(), v.sentence, gradients))


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.tolist()
    return [plain(part) for part in value] if isinstance(value, tuple) else value


# ------------------------------------------------------------------------------------------ the same bits


@pytest.mark.parametrize(
    "settings", [{"k": 1}, {"k": 3}, {"k": 2, "loss": "minimax", "average": 0.0, "seed": 4}], ids=str
)
def test_the_bits_of_steps_with_all_shown_steps_back_and_a_second_machine(images, settings):
    n = 8  # k = 1: six iterations an epoch, k = 3: two
    measured, expected = as_steps(images, n, **settings)
    outside = torch.get_rng_state()
    machine, other = (Stepper(images, **SMALL | settings) for _ in range(2))
    count = 0
    while machine.view().iteration < n or machine.stop.key != "5c":
        machine.step()
        told(machine)
        count += 1
        if count % 11 == 0:  # three back; then the same three again, which the loop goes through
            for _ in range(3):
                assert machine.back()
                told(machine)
        if count % 3 == 0:
            other.step()
    assert torch.equal(weights(machine.state), expected)
    assert [tuple(iteration) for iteration in machine.view().history] == measured
    while len(other.history) < n:
        other.finish_half()
    assert torch.equal(weights(other.state), expected) and other.history == machine.history
    assert machine.view().epoch == (n - 1) * 5 * machine.state.settings.k // 30 + 1 > 1
    assert torch.equal(torch.get_rng_state(), outside)


def test_commands_end_where_they_say(images):
    machine = Stepper(images, **SMALL, k=3)
    machine.step()
    machine.finish_half()
    assert (machine.stop.key, machine.view().d_step) == ("2e", 3)
    machine.finish_half()
    assert (machine.stop.key, machine.view().iteration) == ("5c", 1)
    machine.finish_half()
    machine.finish_iteration()
    assert (machine.stop.key, machine.view().iteration) == ("5c", 2)
    machine.finish_iteration()
    assert len(machine.history) == 3
    for count, _ in enumerate(machine.run(100), 1):
        if count == 4:
            break  # a panel's stop button
    assert len(machine.history) == 7 and machine.stop.key == "5c"
    measured, expected = as_steps(images, 7, k=3)
    assert torch.equal(weights(machine.state), expected)
    assert list(Stepper(images, **SMALL, k=3).run(7)) == measured


def test_the_stops_come_in_the_order_of_algorithm_1(images):
    machine, keys = Stepper(images, **SMALL, k=2), []
    assert machine.stop == STOPS["0"] and machine.view().iteration == 0
    for _ in range(2 * COUNT["D"] + COUNT["G"]):
        machine.step()
        keys.append(machine.stop.key)
    half_D, half_G = (["1a", "1b", "2a", "2b", "2c", "2d", "2e"], ["4", "5a", "5b", "5c"])
    assert keys == half_D * 2 + half_G
    assert list(STOPS) == ["0", *half_D, *half_G] and tuple(half[-1] for half in (half_D, half_G)) == LAST
    assert all(key.startswith(str(stop.step)) for key, stop in STOPS.items())


# ----------------------------------------------------------------------------------------- steps back


@pytest.mark.parametrize("situation", SITUATIONS)
def test_back_shows_what_was_shown_and_forwards_again_too(images, situation):
    """As far as it is kept, over the beginning of an epoch, in every situation."""
    machine = Stepper(images, situation, **SMALL | {"k": 2, "m": 3})
    for _ in machine.run(3 if situation == "strong_D" else 4):
        pass
    shown, reach = [], 0
    while reach < 2 * (2 * COUNT["D"] + COUNT["G"]):
        shown.append(told(machine))
        machine.step()
        reach += 1
    end, after = weights(machine.state), told(machine)
    kept = 0
    while machine.back():
        kept += 1
        if kept <= len(shown):
            assert told(machine) == shown[-kept]
    assert machine.view().notice == stepper.NOT_KEPT and len(machine.marks) == 1
    assert kept >= (KEPT - 1) * COUNT["G"]
    for _ in range(kept):
        machine.step()
    assert torch.equal(weights(machine.state), end) and told(machine) == after
    assert machine.view().notice == ""


def test_back_ends_at_the_beginning_and_memory_is_bounded(images):
    machine = Stepper(images, **SMALL)
    fresh = told(machine)
    assert machine.back() is False and machine.view().notice == stepper.AT_START
    for _ in range(9):
        machine.step()
    for _ in range(9):
        assert machine.back()
    assert told(machine) == fresh and machine.back() is False
    for _ in machine.run(20):
        assert len(machine.marks) <= KEPT
    assert torch.equal(weights(machine.state), as_steps(images, 20)[1])


@pytest.mark.parametrize(("done", "line"), [(0, "randn"), (3, "D"), (6, "step"), (7, "randn"), (8, "D")])
def test_a_line_that_is_interrupted_is_taken_back_whole(images, monkeypatch, done, line):
    """The kernel's stop button within 1a, 2b, 2e, 4 and 5a; in 5a D is locked just then."""
    machine = Stepper(images, **SMALL)
    machine.finish_iteration()
    for _ in range(done):
        machine.step()
    before, state = told(machine), machine.state
    owner, name = {"randn": (torch, "randn"), "D": (state.D, "forward"), "step": (state.optimizer_D, "step")}[
        line
    ]
    whole = getattr(owner, name)

    def interrupted(*given, **options):
        monkeypatch.undo()
        whole(*given, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        machine.step()
    assert told(machine) == before and machine.back()
    while len(machine.history) < 4:
        machine.step()
    assert torch.equal(weights(machine.state), as_steps(images, 4)[1])


# --------------------------------------------------------------------------------------- what is told


def test_what_is_told_at_each_stop(images):
    """Who has a gradient, who has moved, which tensors are there: the table of notebook 03."""
    machine, told = Stepper(images, **SMALL), {}
    for _ in range(11):
        was = weights(machine.state)
        machine.step()
        told[machine.stop.key] = v = machine.view()
        assert torch.equal(was, weights(machine.state)) == (v.stop.key not in LAST)
    names = {key: [t.name for t in v.held] for key, v in told.items()}
    assert (
        names["1a"] == names["4"] == ["z"] and names["1b"] == ["z", "x"] and names["2a"] == ["z", "x", "G(z)"]
    )
    assert names["2b"] == names["2a"] + ["logit của x", "logit của G(z)"]
    assert names["2e"] == names["2b"] + ["loss_D"]
    assert names["5a"] == names["5c"] == ["z", "G(z)", "logit của G(z)", "loss_G"]
    for key, v in told.items():
        me, rival = (v.D, v.G) if v.stop.who == "D" else (v.G, v.D)
        assert rival.gradient is None and rival.moved == 0
        assert (me.gradient is not None) == (key in ("2d", "2e", "5b", "5c"))
        assert (me.moved > 0) == (key in LAST)
        assert (v.loss is not None) == (key >= "2c" and key not in ("4",))
        assert (v.before is not None) == (key in ("2b", "2c", "2d", "2e", "5a", "5b", "5c"))
        assert (v.after is not None) == (key in LAST)
    shapes = {t.name: t for t in told["2e"].held}
    assert shapes["z"].shape == (5, 100) and shapes["x"].shape == shapes["G(z)"].shape == (5, 1, 28, 28)
    assert (shapes["x"].low, shapes["x"].high) == (-1, shapes["x"].values.max()) and not shapes["G(z)"].graph
    assert {t.name: t.graph for t in told["5a"].held}["G(z)"]


@torch.no_grad()
def asked(machine, name):
    """D(x) or D(G(z)) with the weights and the dropout of this moment left aside."""
    G, D = machine.state.G, machine.state.D.eval()
    held = {tensor.name: tensor.values for tensor in machine.view().held}
    answers = torch.sigmoid(D(held["x"] if name == "D_x" else G(held["z"])))
    D.train()
    return answers


@pytest.mark.parametrize(("halves", "names"), [(1, ["D_x", "D_Gz"]), (2, ["D_Gz"])])
def test_before_and_after_are_of_the_same_images_without_dropout(images, halves, names):
    machine = Stepper(images, **SMALL)
    for _ in range(halves):
        machine.finish_half()
    v, now = machine.view(), [asked(machine, name) for name in names]
    assert machine.back()
    for name, after in zip(names, now, strict=True):
        torch.testing.assert_close(getattr(v.after, name), after)
        torch.testing.assert_close(getattr(v.before, name), asked(machine, name))
    assert v.after.mean_Gz == pytest.approx(now[-1].mean().item()) and v.after.loss < v.before.loss
    assert torch.equal(v.before.Gz, v.after.Gz) == (halves == 1)  # θ_g moves in its own half alone
    assert (v.before.D_x is None) == (v.after.mean_x is None) == (halves == 2)


def test_sentences_carry_the_run_s_told(images):
    machine = Stepper(images, **SMALL, k=2)
    said = []
    for _ in range(2 * COUNT["D"] + COUNT["G"]):
        machine.step()
        v = machine.view()
        said.append(v.sentence)
        if v.stop.key == "2e":
            assert f"‖Δθ_d‖ = {v.D.moved:.4g}" in v.sentence and "‖Δθ_g‖ = 0." in v.sentence
            assert f"D(x): {v.before.mean_x:.3f} → {v.after.mean_x:.3f}" in v.sentence
            assert f"Bước 3: D đã đi {v.d_step}/2 bước" in v.sentence
        if v.stop.key == "2d":
            assert "Gradient của θ_g là None" in v.sentence
    assert "xong vòng lặp 1" in said[-1]
    texts = [s for stop in STOPS.values() for s in (stop.title, stop.says)]
    texts += [s for now in SITUATIONS.values() for s in (now.name, now.question, *now.says.values())]
    assert all(unicodedata.is_normalized("NFC", text) for text in texts + said)


# ------------------------------------------------------------------------------------------ what if


def test_every_situation_has_a_name_a_question_and_true_sentences(images):
    assert len({now.name for now in SITUATIONS.values()}) == len(SITUATIONS)
    machine = Stepper(images, **SMALL | {"m": 3})
    for name, now in SITUATIONS.items():
        machine.restart(situation=name)
        assert machine.situation is now and (now.question.endswith(("?", ".")) or name == "normal")
        assert set(now.says) <= set(STOPS)
        for _ in range(COUNT["D"] * 5 + COUNT["G"] + 3):
            machine.step()
            assert not re.search(r"[{}]|nan", machine.view().sentence)


def test_D_too_strong_overrides_settings_and_leaves_them_again(images):
    machine = Stepper(images, "strong_D", **SMALL | {"m": 3, "k": 2})
    assert (machine.view().settings.k, machine.view().settings.lr_D) == (5, 0.001)
    machine.restart(situation="normal")
    assert (machine.view().settings.k, machine.view().settings.lr_D) == (2, 0.002)


def test_a_frozen_G_has_a_gradient_and_stands_still(images):
    machine = Stepper(images, "frozen_G", **SMALL)
    machine.finish_iteration()
    v = machine.view()
    assert v.G.gradient > 0 and v.G.moved == v.D.moved == 0 and v.before.mean_Gz == v.after.mean_Gz
    assert "không bước" in v.sentence


def test_a_forgotten_detach_costs_but_changes_nothing_if_gradients_are_cleared(images):
    machine = Stepper(images, "no_detach", **SMALL, k=2)
    for _ in range(6):
        machine.step()
    v = machine.view()
    assert v.stop.key == "2d" and v.G.gradient > 0 and {t.name: t.graph for t in v.held}["G(z)"]
    machine.step()
    assert machine.view().G.moved == 0
    for _ in machine.run(7):
        pass
    assert torch.equal(weights(machine.state), as_steps(images, 7, k=2)[1])


def test_forgotten_gradients_are_added_to_those_of_G(images):
    def gradients(situation):
        machine, left = Stepper(images, situation, **SMALL), None
        while machine.stop.key != "5b":
            machine.step()
            if machine.stop.key == "4":
                left = [p.grad for p in machine.state.G.parameters()]
                left = None if left[0] is None else torch.cat([g.flatten() for g in left])
        return left, torch.cat([p.grad.flatten() for p in machine.state.G.parameters()]), machine

    left, mixed, machine = gradients("no_clear")
    nothing, right, _ = gradients("normal")
    assert nothing is None
    torch.testing.assert_close(mixed, left + right)
    machine.finish_iteration()
    assert not torch.equal(weights(machine.state), as_steps(images, 1)[1])


def test_swapped_labels_teach_D_the_opposite(images):
    machine = Stepper(images, "swapped", **SMALL | {"lr_D": 0.01})
    list(machine.run(10))
    machine.finish_half()
    after = machine.view().after
    assert after.mean_x < 0.5 < after.mean_Gz


# ----------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"k": 0}, ValueError, "k phải là số nguyên từ 1"),
        ({"lr_D": "abc"}, ValueError, "lr_D phải là một số dương"),
        ({"loss": "wgan"}, ValueError, "loss phải là"),
        ({"k": 3, "m": 11}, ValueError, "Hãy giảm k hoặc m"),
        ({"learning_rate": 1}, TypeError, "Không có tham số"),
        ({"data": "cifar"}, data.DataError, "cifar"),
        ({"situation": "magic"}, ValueError, "Không có tình huống 'magic'"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(images, changed, error, words):
    machine = Stepper(images, **SMALL, k=3)
    for _ in range(5):
        machine.step()
    before, state = told(machine), machine.state
    with pytest.raises(error, match=words):
        machine.restart(seed=9, **changed)
    assert machine.state is state and told(machine) == before
    machine.finish_iteration()
    assert torch.equal(weights(machine.state), as_steps(images, 1, k=3)[1])
    machine.restart()  # nothing of what was refused is remembered
    machine.finish_iteration()
    assert torch.equal(weights(machine.state), as_steps(images, 1, k=3)[1])
    with pytest.raises(error, match=words):
        Stepper(**{"data": images} | SMALL | changed)


def test_restart_keeps_what_was_chosen_and_changes_what_is_named(images):
    machine = Stepper(images, "no_detach", **SMALL)
    list(machine.run(2))
    machine.restart(k=2, seed=5)
    assert machine.view().situation is SITUATIONS["no_detach"] and machine.view().history == ()
    list(machine.run(3))
    assert torch.equal(weights(machine.state), as_steps(images, 3, k=2, seed=5)[1])
    machine.restart(data="fashion")
    assert machine.images.name == "fashion"
    loaded = machine.images
    machine.restart(data="fashion", k=1)
    assert machine.images is loaded  # not read again


def test_a_learning_rate_that_ruins_the_run_is_explained(images):
    machine = Stepper(images, **SMALL | {"lr_D": 1e38, "lr_G": 1e38})
    list(machine.run(3))
    assert "Hãy giảm tốc độ học" in machine.view().sentence
    assert machine.back() and machine.view().sentence
    machine.restart(lr_D=0.001, lr_G=0.001)
    list(machine.run(2))
    assert "xong vòng lặp 2" in machine.view().sentence
