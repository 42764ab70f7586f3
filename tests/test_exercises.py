"""Every check of ganlib.exercises takes the solution that the notebook prints, and no typical mistake."""

import ast
import inspect
import json
import math
import re
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from ganlib import exercises

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
FOLDED = re.compile(r"<details><summary>Lời giải</summary>\n\n```python\n(.*?)```", re.S)

# Notebook -> check -> mistakes: a change (old, new) in the printed solution, or another answer altogether.
MISTAKES = {
    "01_du_lieu": {
        "kiem_tra_byte": [
            "byte_51, byte_204 = 0.2, 0.8",
            "byte_51, byte_204 = 51 / 255 - 0.5, 204 / 255 - 0.5",
            "byte_51, byte_204 = 0.6, -0.6",
            "byte_51, byte_204 = (51 / 256 - 0.5) / 0.5, (204 / 256 - 0.5) / 0.5",
            "byte_51, byte_204 = 51, 204",
        ],
        "kiem_tra_so_batch": [
            ("rest == 0 or drop_last", "drop_last"),
            ("rest == 0 or drop_last", "rest == 0"),
            ("or drop_last", "or not drop_last"),
            ("full + 1, rest", "full, m"),
            ("full + 1, rest", "full + 1, m"),
            ("full, m", "full, rest"),
        ],
        "kiem_tra_ve_byte": [
            (".round()", ""),
            ("round()", "ceil()"),
            (".to(torch.uint8)", ""),
            ("(x * 0.5 + 0.5)", "x"),
            ("(x * 0.5 + 0.5)", "(x + 1)"),
            ("* 255", "* 256"),
            ("pixels.round()", "pixels.flatten().round()"),
        ],
    },
    "02_hai_mang": {
        "kiem_tra_so_tham_so": [
            "n_G, n_D = 100 * 1200 + 1200**2 + 1200 * 784, 784 * 1200 + 1200**2 + 1200",
            "n_G, n_D = 2_384_401, 2_503_984",
            "n_G, n_D = 2_503_984, 2_503_984",
            "n_G, n_D = 2503300, 2386384",
            "n_G, n_D = 101 * 1200 + 1201 * 784, 785 * 1200 + 1201",
        ],
        "kiem_tra_nhieu_deu": [
            ("(2 * torch.rand(m, latent_dim) - 1)", "torch.rand(m, latent_dim)"),
            (" * 3**0.5", ""),
            ("3**0.5", "3"),
            ("(2 * torch.rand(m, latent_dim) - 1) * 3**0.5", "torch.randn(m, latent_dim)"),
            ("(2 * torch.rand(m, latent_dim) - 1) * 3**0.5", "torch.randn(m, latent_dim).sign()"),
            ("torch.rand(m, latent_dim)", "torch.rand(latent_dim).expand(m, latent_dim)"),
            ("torch.rand(m, latent_dim)", "torch.rand(latent_dim, m)"),
            ("return", "torch.manual_seed(0)\n    return"),
        ],
        "kiem_tra_G_sigmoid": [
            ("nn.Sigmoid()", "nn.Tanh()"),
            ("nn.Sigmoid()", "nn.ReLU()"),
            ("nn.Sigmoid()", "nn.Softmax(1)"),
            ("nn.Sigmoid()", "nn.Identity()"),
            ("nn.LeakyReLU(0.2)", "nn.Identity()"),
            ("nn.Unflatten(1, (1, 28, 28))", "nn.Identity()"),
        ],
    },
    "03_thuat_toan": {
        "kiem_tra_k": [
            ("range(k)", "range(1)"),
            ("range(k)", "range(k + 1)"),
            ("for _ in range(k):", "for x in batches:\n        batches = iter([x])"),
            ("x = next(batches)", "x = list(batches)[0]"),
            ("    for _", "    x = next(batches)\n    for _"),
            ("    for _", "    first = next(batches)\n    for _"),
            ("x = next(batches)", "x = first = next(batches) if _ == 0 else first"),
            ("    z = torch.randn(m, latent_dim)  # bước 4: nhiễu mới\n", ""),
            ("randn(m, latent_dim)  # bước 1", "ones(m, latent_dim)  # bước 1"),
            ("        step_D(x, z)", "        step_D(x, z)\n        step_G(z)"),
            ("    for _", "    loss = step_G(torch.randn(m, latent_dim))\n    for _"),
            ("return step_G(z)", "step_G(z)\n    return 0"),
        ],
        "kiem_tra_update_G": [
            ("-cross_entropy(fake_logit, torch.zeros_like(", "cross_entropy(fake_logit, torch.ones_like("),
            (
                "-cross_entropy(fake_logit, torch.zeros_like(",
                "1 + cross_entropy(fake_logit, torch.ones_like(",
            ),
            ("-cross_entropy", "cross_entropy"),
            ("    optimizer_G.zero_grad()\n", ""),
            ("    optimizer_G.step()\n", ""),
            ("D(G(z))\n", "D(G(z).detach())\n"),
            ("zeros_like(fake_logit))", "zeros_like(fake_logit), reduction='sum')"),
            ("optimizer_G.step()", "optimizer_G.step(), optimizer_G.step()"),
            ("optimizer_G.step()", "optimizer_G.step(), torch.optim.SGD(D.parameters(), 0.1).step()"),
            (
                "    fake_logit = D(G(z))",
                "    images = G(z)\n    D.requires_grad_(False)\n    fake_logit = D(images)",
            ),
            ("loss.detach()", "loss"),
            ("return loss", "return -loss"),
        ],
        "kiem_tra_update_D": [
            ("G(z).detach()", "G(z)"),
            ("    optimizer_D.zero_grad()\n", ""),
            ("eqn3.backward()", "(-eqn3).backward()"),
            (
                "logsigmoid(D(x)).mean() + logsigmoid(-D(fake))",
                "logsigmoid(-D(x)).mean() + logsigmoid(D(fake))",
            ),
            (" + logsigmoid(-D(fake)).mean()", ""),
            ("logsigmoid(D(x)).mean() + ", ""),
            ("logsigmoid(-D(fake))", "logsigmoid(D(fake))"),
            (".mean()", ".sum()"),
            ("    optimizer_D.step()", "    pass"),
            ("optimizer_D.step()", "optimizer_D.step(), optimizer_D.step()"),
            ("eqn3.detach()", "eqn3"),
            ("return eqn3", "return -eqn3"),
            ("optimizer_D.step()", "optimizer_D.step(), nn.init.zeros_(G[0].bias)"),
        ],
    },
    "04_huan_luyen": {
        "kiem_tra_so_buoc_G": [
            ("(k * m)", "m"),
            ("n_images // (k * m)", "k * n_images // m"),
            ("//", "/"),
            ("n_epochs * per_epoch", "per_epoch"),
            ("n_epochs * per_epoch", "n_epochs * n_images // (k * m)"),
            ("n_images // (k * m)", "-(-n_images // (k * m))"),
        ],
        "kiem_tra_lam_muot": [
            ("values[0], []", "0.0, []"),
            ("decay * mean + (1 - decay) * value", "(1 - decay) * mean + decay * value"),
            ("(1 - decay) * value", "value"),
            ("return result", "return result[1:]"),
            ("        result.append(mean)", "        result.append(mean)\n        mean = value"),
            ("mean = decay * mean + (1 - decay) * value", "mean = (mean + value) / 2"),
        ],
    },
    "05_ket_qua": {
        "kiem_tra_epoch_tot": [
            (" + 1", ""),
            (" if lowest else scores.argmax()", ""),
            ("if lowest else scores", "if not lowest else scores"),
            ("nan=never", "nan=0.0"),
            ("scores.nan_to_num(nan=never)", "scores"),
            ("scores.nan_to_num(nan=never)", "scores[~scores.isnan()]"),
        ],
        "kiem_tra_doi_y": [
            ("first - 1].float(), images[last - 1].float()", "first].float(), images[last].float()"),
            ("(after - before)", "(images[last - 1] - images[first - 1]).float()"),
            (".abs()", ""),
            ("argmax", "argmin"),
            (
                "(after - before).abs().mean((1, 2))",
                "images[first - 1 : last].float().diff(dim=0).abs().mean((0, 2, 3))",
            ),
        ],
    },
    "06_ly_thuyet": {
        "kiem_tra_p_g": [
            ("(1 - D) / D", "D / (1 - D)"),
            ("p_data * (1 - D) / D", "p_data / D"),
            ("p_data * (1 - D) / D", "(1 - D) / D"),
            ("(1 - D) / D", "(1 - D)"),
            ("p_data * (1 - D) / D", "p_data - D"),
            ("p_data * (1 - D) / D", "(p_data * (1 - D) / D).sum()"),
            ("(1 - D) / D", "((1 - D) / D) ** 2"),
        ],
        "kiem_tra_luc_keo": [
            ("1 / (1 + times)", "times / (1 + times)"),
            ("1 / (1 + times)", "1 / times"),
            ("1 / (1 + times)", "1 / 2"),
            ("1 / (1 + times)", "1 / (1 + times**2)"),
            ("1 / (1 + times)", "1 + times"),
        ],
        "kiem_tra_JSD": [
            ("(p + q) / 2", "p + q"),
            ("torch.where(q > 0, q * (q / mix).log(), 0)", "(q * (q / mix).log())"),
            ("(kl_p + kl_q) / 2", "kl_p + kl_q"),
            ("(kl_p + kl_q) / 2", "kl_p"),
            (".log()", ".log2()"),
            ("mix = (p + q) / 2", "mix = (p * q).sqrt() + 1e-9"),
            ("(p + q) / 2", "torch.ones_like(p) / len(p)"),
        ],
    },
    "07_danh_gia": {
        "kiem_tra_doi_thang": [
            ("+ d * math.log(2)", "- d * math.log(2)"),
            ("+ d * math.log(2)", "+ d"),
            ("+ d * math.log(2)", "+ 543.4"),
            ("+ d * math.log(2)", "+ math.log(2)"),
            ("score + d * math.log(2)", "(score + 1) / 2"),
        ],
        "kiem_tra_KL": [
            ("torch.where(q > 0, q * (q / r).log(), 0)", "(q * (q / r).log())"),
            ("q * (q / r)", "r * (r / q)"),
            ("(q / r)", "(r / q)"),
            (".log()", ".log2()"),
            ("q * (q / r).log()", "(q / r).log()"),
            ("q * (q / r).log(), 0)", "(q + 0.01) * ((q + 0.01) / (r + 0.01)).log(), 0)"),
            ("r).log(), 0)", "r).log(), 1)"),
        ],
        "kiem_tra_parzen": [
            ('    windows.fill_diagonal_(-float("inf"))', "    pass"),
            ('-float("inf")', "0"),
            ("math.log(m - 1)", "math.log(m)"),
            (" - math.log(m - 1)", ""),
            (" ** 2\n", "\n"),
            ("(2 * sigma**2)", "sigma**2"),
            (" - d * ", " - "),
            ("windows.logsumexp(1) - math.log(m - 1)", "(windows.exp().sum(1) / (m - 1)).log()"),
            ("logsumexp(1) - math.log(m - 1)", "logsumexp((0, 1)) - math.log(m - 1)"),
        ],
    },
}
CHECKS = [(notebook, name) for notebook, checks in MISTAKES.items() for name in checks]
WRONG = [(notebook, name, wrong) for notebook, name in CHECKS for wrong in MISTAKES[notebook][name]]
every_check = pytest.mark.parametrize("notebook, name", CHECKS, ids=[name for _, name in CHECKS])


def exercise(notebook, name):
    """The cell to fill in, and the solution folded up behind it; skips a notebook without such a cell."""
    path = FOLDER / f"{notebook}.ipynb"
    if not path.exists() or "ganlib.exercises" not in path.read_text(encoding="utf-8"):
        pytest.skip(f"{notebook} chưa có ô bài tập nào")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    (at,) = [i for i, cell in enumerate(cells) if re.search(rf"^{name}\(", "".join(cell["source"]), re.M)]
    return cells[at], FOLDED.search("".join(cells[at + 1]["source"]))[1]


class Student:
    """Fills in answers and reads what the checks print; the random state must not notice."""

    def __init__(self, capsys, monkeypatch):
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def run(self, work):
        before = torch.get_rng_state()
        self.capsys.readouterr()
        verdict = work()
        assert torch.equal(torch.get_rng_state(), before)
        return verdict, self.capsys.readouterr().out

    def hand_in(self, cell, answer):
        """The verdict on an answer written into the cell, whichever the seed of the check, and its words."""
        call = ast.parse("".join(cell["source"])).body[-1].value
        names = {"torch": torch, "nn": nn, "math": math, "m": 100, "latent_dim": 100}
        names["cross_entropy"] = nn.functional.binary_cross_entropy_with_logits
        exec(compile(answer, "the answer", "exec"), names)
        arguments, seeded = [names[argument.id] for argument in call.args], torch.manual_seed
        said = []
        for seed in range(3):
            self.monkeypatch.setattr(torch, "manual_seed", lambda _, seed=seed: seeded(seed))
            said.append(self.run(lambda: getattr(exercises, call.func.id)(*arguments)))
        self.monkeypatch.undo()
        assert len({verdict for verdict, _ in said}) == 1
        return said[0]


@pytest.fixture
def student(capsys, monkeypatch):
    return Student(capsys, monkeypatch)


@every_check
def test_the_printed_solution_is_right(notebook, name, student):
    assert student.hand_in(*exercise(notebook, name)) == (True, "Đúng rồi!\n")


@pytest.mark.parametrize("notebook, name, wrong", WRONG)
def test_a_mistake_is_refused_with_a_hint(notebook, name, wrong, student):
    cell, answer = exercise(notebook, name)
    if isinstance(wrong, tuple):
        assert wrong[0] in answer
        wrong = answer.replace(*wrong)
    verdict, said = student.hand_in(cell, wrong)
    assert verdict is False and said.startswith("Chưa đúng. Gợi ý: "), said
    assert said.count("\n") == 1 and len(said) < 250


@every_check
def test_an_empty_cell_runs_and_the_notebook_shows_it_empty(notebook, name, student):
    cell, _ = exercise(notebook, name)
    _, said = student.run(lambda: exec("".join(cell["source"]), {}))
    assert said == exercises.BLANK + "\n"
    assert ["".join(output["text"]) for output in cell["outputs"]] == [said]


ODD = [None, ..., "x", [], object(), float("nan"), torch.ones(2), nn.Linear(2, 2)]


@pytest.mark.parametrize("name", [name for _, name in CHECKS])
def test_whatever_is_handed_in_a_check_never_raises(name, student):
    check = getattr(exercises, name)
    arguments = len(inspect.signature(check).parameters)
    for odd in ODD + [lambda *_, value=value: value for value in ODD]:
        verdict, said = student.run(lambda odd=odd: check(*[odd] * arguments))
        assert verdict is False and said.startswith(("Ô này", "Chưa đúng", "Câu trả lời", "Code"))

    def solve(*given):
        raise ValueError("hỏng")

    verdict, said = student.run(lambda: check(*[solve] * arguments))
    assert verdict is False
    if arguments == 1:
        line = inspect.getsourcelines(solve)[1] + 1
        assert said == f"Code của bạn báo lỗi ở dòng {line} của ô. ValueError: hỏng\n"


@every_check
def test_hints_are_vietnamese_and_keep_the_answer_to_themselves(notebook, name):
    """No function, method or number of the solution that the student has not been given is in any hint."""
    cell, answer = exercise(notebook, name)
    body = ast.parse(textwrap.dedent(inspect.getsource(getattr(exercises, name)))).body[0].body[1:]
    needs = [
        n for part in body for n in ast.walk(part) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    ]
    hints = [text for text in (node.value for node in needs) if " " in text.strip()]
    assert len(hints) >= 3 and any(re.search("[ảạấđếộươừữ]", hint) for hint in hints)
    tree, secret = ast.parse(answer), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            secret.add(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            secret.add(node.func.id)
    names = {}
    if not any(isinstance(node, ast.FunctionDef) for node in tree.body):
        exec(answer, names)
        secret |= {f"{value:g}" for key, value in names.items() if key[0] != "_"}
    given = set(re.findall(r"\w+", "".join(cell["source"])))
    told = [word for word in secret - given for hint in hints if len(word) > 3 and word in hint]
    assert not told


def test_every_check_of_the_module_is_proven_against_three_mistakes():
    in_module = {name for name in vars(exercises) if name.startswith("kiem_tra_")}
    assert in_module == {name for _, name in CHECKS}
    assert all(len(MISTAKES[notebook][name]) >= 3 for notebook, name in CHECKS)


def test_the_networks_of_the_checks_answer_to_their_input():
    G, D, z, x = exercises.toy()
    assert G(z).std(0).min() > 0.01 and D(x).std() > 0.01 and D(G(z)).std() > 0.01
    assert torch.sigmoid(D(G(z))).mean() < 0.3  # where D rejects, the two losses of G differ
