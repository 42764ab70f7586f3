"""Every check of ganlib.exercises takes the solution that the notebook prints, and no typical mistake."""

import ast
import inspect
import json
import math
import re

import pytest
import torch
from conftest import NOTEBOOKS
from torch import nn

from ganlib import exercises
from ganlib.exercises.checking import BLANK

FOLDED = re.compile(r"<details><summary>Lời giải</summary>\n\n```python\n(.*?)```", re.S)

# Check -> mistakes: a change (old, new) in the printed solution, or another answer altogether.
MISTAKES = {
    "kiem_tra_byte": [
        "byte_51, byte_204 = 0.2, 0.8",
        "byte_51, byte_204 = 51 / 255 - 0.5, 204 / 255 - 0.5",
        "byte_51, byte_204 = 0.6, -0.6",
        "byte_51, byte_204 = (51 / 256 - 0.5) / 0.5, (204 / 256 - 0.5) / 0.5",
        "byte_51, byte_204 = 51, 204",
    ],
    "kiem_tra_so_batch": [
        ("rest == 0 or drop_last", "drop_last"),
        ("full + 1, rest", "full, m"),
        ("full + 1, rest", "full + 1, m"),
    ],
    "kiem_tra_ve_byte": [
        (".round()", ""),
        ("round()", "ceil()"),
        (".to(torch.uint8)", ""),
        ("(x * 0.5 + 0.5)", "x"),
        ("pixels.round()", "pixels.flatten().round()"),
    ],
    "kiem_tra_so_tham_so": [
        "n_G, n_D = 100 * 1200 + 1200**2 + 1200 * 784, 784 * 1200 + 1200**2 + 1200",
        "n_G, n_D = 2_503_984, 2_503_984",
        "n_G, n_D = 2503300, 2386384",
        "n_G, n_D = 101 * 1200 + 1201 * 784, 785 * 1200 + 1201",
    ],
    "kiem_tra_nhieu_deu": [
        ("(2 * torch.rand(m, latent_dim) - 1)", "torch.rand(m, latent_dim)"),
        (" * 3**0.5", ""),
        ("(2 * torch.rand(m, latent_dim) - 1) * 3**0.5", "torch.randn(m, latent_dim)"),
        ("(2 * torch.rand(m, latent_dim) - 1) * 3**0.5", "torch.randn(m, latent_dim).sign()"),
        ("torch.rand(m, latent_dim)", "torch.rand(latent_dim).expand(m, latent_dim)"),
        ("torch.rand(m, latent_dim)", "torch.rand(latent_dim, m)"),
        ("return", "torch.manual_seed(0)\n    return"),
    ],
    "kiem_tra_G_sigmoid": [
        ("nn.Sigmoid()", "nn.Tanh()"),
        ("nn.Sigmoid()", "nn.Softmax(1)"),
        ("nn.LeakyReLU(0.2)", "nn.Identity()"),
        ("nn.Unflatten(1, (1, 28, 28))", "nn.Identity()"),
    ],
    "kiem_tra_k": [
        ("range(k)", "range(1)"),
        ("range(k)", "range(k + 1)"),
        ("x = next(batches)", "x = list(batches)[0]"),
        ("    for _", "    x = next(batches)\n    for _"),
        ("x = next(batches)", "x = first = next(batches) if _ == 0 else first"),
        ("    z = torch.randn(m, latent_dim)  # bước 4: nhiễu mới\n", ""),
        ("        step_D(x, z)", "        step_D(x, z)\n        step_G(z)"),
        ("return step_G(z)", "step_G(z)\n    return 0"),
    ],
    "kiem_tra_update_G": [
        ("-cross_entropy(fake_logit, torch.zeros_like(", "cross_entropy(fake_logit, torch.ones_like("),
        ("-cross_entropy", "cross_entropy"),
        ("    optimizer_G.zero_grad()\n", ""),
        ("    optimizer_G.step()\n", ""),
        ("optimizer_G.step()", "optimizer_G.step(), optimizer_G.step()"),
        ("    fake_logit = D(", "    images = G(z)\n    D.requires_grad_(False)\n    fake_logit = D("),
        ("loss.detach()", "loss"),
        ("return loss", "return -loss"),
    ],
    "kiem_tra_update_D": [
        ("G(z).detach()", "G(z)"),
        ("    optimizer_D.zero_grad()\n", ""),
        ("eqn3.backward()", "(-eqn3).backward()"),
        ("logsigmoid(D(x)).mean() + logsigmoid(-D(fake))", "logsigmoid(-D(x)).mean() + logsigmoid(D(fake))"),
        (" + logsigmoid(-D(fake)).mean()", ""),
        ("logsigmoid(-D(fake))", "logsigmoid(D(fake))"),
        (".mean()", ".sum()"),
        ("    optimizer_D.step()", "    pass"),
        ("eqn3.detach()", "eqn3"),
        ("return eqn3", "return -eqn3"),
        ("optimizer_D.step()", "optimizer_D.step(), nn.init.zeros_(G[0].bias)"),
    ],
    "kiem_tra_so_buoc_G": [
        ("(k * m)", "m"),
        ("//", "/"),
        ("n_epochs * per_epoch", "per_epoch"),
        ("n_epochs * per_epoch", "n_epochs * n_images // (k * m)"),
        ("n_images // (k * m)", "-(-n_images // (k * m))"),
    ],
    "kiem_tra_lam_muot": [
        ("values[0], []", "0.0, []"),
        ("decay * mean + (1 - decay) * value", "(1 - decay) * mean + decay * value"),
        ("return result", "return result[1:]"),
        ("        result.append(mean)", "        result.append(mean)\n        mean = value"),
    ],
    "kiem_tra_epoch_tot": [
        (" + 1", ""),
        ("if lowest else scores", "if not lowest else scores"),
        ("scores.nan_to_num(nan=never)", "scores[~scores.isnan()]"),
    ],
    "kiem_tra_doi_y": [
        ("first - 1].float(), images[last - 1].float()", "first].float(), images[last].float()"),
        ("(after - before)", "(images[last - 1] - images[first - 1]).float()"),
        (".abs()", ""),
        ("(after - before).abs()", "images[first - 1 : last].float().diff(dim=0).abs().mean(0)"),
    ],
    "kiem_tra_p_g": [
        ("(1 - D) / D", "D / (1 - D)"),
        ("p_data * (1 - D) / D", "p_data / D"),
        ("p_data * (1 - D) / D", "p_data - D"),
        ("p_data * (1 - D) / D", "(p_data * (1 - D) / D).sum()"),
        ("(1 - D) / D", "((1 - D) / D) ** 2"),
    ],
    "kiem_tra_R1": [
        ("gamma / 2 * ", "gamma * "),
        ("gamma / 2 * ", "-gamma / 2 * "),
        ("loss + gamma", "gamma"),
        ("steep.mean()", "steep.sum()"),
        ("slope.square().flatten(1).sum(1)", "slope.flatten(1).norm(dim=1)"),
        ("create_graph=True", "retain_graph=True"),
        ("real_logit.sum()", "torch.sigmoid(real_logit).sum()"),
        ("G(z).detach()", "G(z)"),
        ("return loss", "return 2 * loss"),
    ],
    "kiem_tra_JSD": [
        ("(p + q) / 2", "p + q"),
        ("torch.where(q > 0, q * (q / mix).log(), 0)", "(q * (q / mix).log())"),
        ("(kl_p + kl_q) / 2", "kl_p + kl_q"),
        ("(kl_p + kl_q) / 2", "kl_p"),
        (".log()", ".log2()"),
        ("mix = (p + q) / 2", "mix = (p * q).sqrt() + 1e-9"),
    ],
    "kiem_tra_doi_thang": [
        ("+ d * math.log(2)", "- d * math.log(2)"),
        ("+ d * math.log(2)", "+ d"),
        ("+ d * math.log(2)", "+ 543.4"),
        ("+ d * math.log(2)", "+ math.log(2)"),
    ],
    "kiem_tra_KL": [
        ("torch.where(q > 0, q * (q / r).log(), 0)", "(q * (q / r).log())"),
        ("q * (q / r)", "r * (r / q)"),
        ("(q / r)", "(r / q)"),
        (".log()", ".log2()"),
        ("q * (q / r).log(), 0)", "(q + 0.01) * ((q + 0.01) / (r + 0.01)).log(), 0)"),
    ],
    "kiem_tra_frechet": [
        ("a.std(0) - b.std(0)", "a.var(0) - b.var(0)"),
        (".sum()", ".mean()"),
        (".sum()", ""),
        ("means**2 + stds**2", "stds**2"),
        ("a.mean(0) - b.mean(0)", "a.mean() - b.mean()"),
    ],
    "kiem_tra_parzen": [
        ('    windows.fill_diagonal_(-float("inf"))', "    pass"),
        ('-float("inf")', "0"),
        ("math.log(m - 1)", "math.log(m)"),
        (" - math.log(m - 1)", ""),
        ("windows.logsumexp(1) - math.log(m - 1)", "(windows.exp().sum(1) / (m - 1)).log()"),
        ("logsumexp(1) - math.log(m - 1)", "logsumexp((0, 1)) - math.log(m - 1)"),
    ],
}
CHECKS = pytest.mark.parametrize("name", MISTAKES)
ODD = [None, ..., "x", [], object(), float("nan"), torch.ones(2), nn.Linear(2, 2)]
EXERCISES = {}  # check -> (the cell to fill in, the solution folded up behind it)
for path in NOTEBOOKS:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell, after in zip(cells, cells[1:], strict=False):
        if call := re.search(r"^(kiem_tra_\w+)\(", "".join(cell["source"]), re.M):
            EXERCISES[call[1]] = cell, FOLDED.search("".join(after["source"]))[1]


@pytest.fixture
def said(capsys):
    """A function: what some work returns and prints; it must leave the random state as it was."""

    def listen(work):
        before = torch.get_rng_state()
        capsys.readouterr()
        verdict = work()
        assert torch.equal(torch.get_rng_state(), before)
        return verdict, capsys.readouterr().out

    return listen


@pytest.fixture
def hand_in(said, monkeypatch):
    """A function: the verdict on an answer, whichever the seed of the check, and its words."""

    def try_it(name, answer):
        call = ast.parse("".join(EXERCISES[name][0]["source"])).body[-1].value
        names = {"torch": torch, "nn": nn, "math": math, "m": 100, "latent_dim": 100}
        names["cross_entropy"] = nn.functional.binary_cross_entropy_with_logits
        exec(compile(answer, "the answer", "exec"), names)
        arguments, seeded, verdicts = [names[a.id] for a in call.args], torch.manual_seed, []
        for seed in range(3):
            monkeypatch.setattr(torch, "manual_seed", lambda _, seed=seed: seeded(seed))
            verdicts.append(said(lambda: getattr(exercises, name)(*arguments)))
        monkeypatch.undo()
        assert len({verdict for verdict, _ in verdicts}) == 1
        return verdicts[0]

    return try_it


@CHECKS
def test_the_printed_solution_is_right(name, hand_in):
    assert hand_in(name, EXERCISES[name][1]) == (True, "Đúng rồi!\n")


def secrets(cell, answer):
    """The functions, methods and numbers of a solution that its cell has not given to the student."""
    tree = ast.parse(answer)
    words = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    words |= {call.id for call in calls if isinstance(call, ast.Name)}
    if all(isinstance(node, ast.Assign) for node in tree.body):
        exec(answer, names := {})
        words |= {f"{value:g}" for key, value in names.items() if key[0] != "_"}
    return {word for word in words if len(word) > 3} - set(re.findall(r"\w+", "".join(cell["source"])))


@pytest.mark.parametrize("name, wrong", [(name, wrong) for name in MISTAKES for wrong in MISTAKES[name]])
def test_a_mistake_is_refused_with_a_hint_that_keeps_the_answer_to_itself(name, wrong, hand_in):
    cell, answer = EXERCISES[name]
    if isinstance(wrong, tuple):
        assert wrong[0] in answer
        wrong = answer.replace(*wrong)
    verdict, hint = hand_in(name, wrong)
    assert verdict is False and hint.startswith("Chưa đúng. Gợi ý: "), hint
    assert hint.count("\n") == 1 and len(hint) < 250
    assert not [word for word in secrets(cell, answer) if word in hint]


@CHECKS
def test_an_empty_cell_runs_and_the_notebook_shows_it_empty(name, said):
    cell, _ = EXERCISES[name]
    _, words = said(lambda: exec("".join(cell["source"]), {}))
    assert words == BLANK + "\n"
    assert ["".join(output["text"]) for output in cell["outputs"]] == [words]


@CHECKS
def test_whatever_is_handed_in_a_check_never_raises(name, said):
    check = getattr(exercises, name)
    arguments = len(inspect.signature(check).parameters)

    def fails(*given):
        raise ValueError("hỏng")

    for odd in [*ODD, *(lambda *_, value=value: value for value in ODD), fails]:
        verdict, words = said(lambda odd=odd: check(*[odd] * arguments))
        assert verdict is False and words.startswith(("Ô này", "Chưa đúng", "Câu trả lời", "Code"))
    if arguments == 1:  # the last one's
        line = inspect.getsourcelines(fails)[1] + 1
        assert words == f"Code của bạn báo lỗi ở dòng {line} của ô. ValueError: hỏng\n"


def test_every_check_of_the_package_is_proven_against_three_mistakes():
    assert {name for name in vars(exercises) if name.startswith("kiem_tra_")} == set(MISTAKES)
    assert all(len(mistakes) >= 3 for mistakes in MISTAKES.values())
