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

# Check -> its mistakes: a change "old → new" in the printed solution, or another answer altogether.
MISTAKES = """
byte: byte_51, byte_204 = 0.2, 0.8 | byte_51, byte_204 = 51 / 255 - 0.5, 204 / 255 - 0.5
    byte_51, byte_204 = 51, 204
so_batch: rest == 0 or drop_last → drop_last | full + 1, rest → full, m | full + 1, rest → full + 1, m
ve_byte: .round() → | (x * 0.5 + 0.5) → x | pixels.round() → pixels.flatten().round()
so_tham_so: n_G, n_D = 2_503_984, 2_503_984 | n_G, n_D = 2503300, 2386384
    n_G, n_D = 101 * 1200 + 1201 * 784, 785 * 1200 + 1201
nhieu_deu: (2 * torch.rand(m, latent_dim) - 1) → torch.rand(m, latent_dim) | * 3**0.5 → * 1
    torch.rand(m, latent_dim) → torch.rand(latent_dim).expand(m, latent_dim)
G_sigmoid: nn.Sigmoid() → nn.Tanh() | nn.LeakyReLU(0.2) → nn.Identity()
    nn.Unflatten(1, (1, 28, 28)) → nn.Identity()
k: range(k) → range(1) | x = next(batches) → x = list(batches)[0]
    z = torch.randn(m, latent_dim)  # bước 4: nhiễu mới → pass | step_D(x, z) → step_D(x, z), step_G(z)
    return step_G(z) → step_G(z)\\n    return 0
update_G: -bce(fake_logit, torch.zeros_like( → bce(fake_logit, torch.ones_like( | loss.detach() → loss
    -bce → bce | optimizer_G.zero_grad() → pass | optimizer_G.step() → pass
    fake_logit = D( → images = G(z)\\n    D.requires_grad_(False)\\n    fake_logit = D(
update_D: G(z).detach() → G(z) | optimizer_D.zero_grad() → pass | eqn3.backward() → (-eqn3).backward()
    logsigmoid(D(x)).mean() + logsigmoid(-D(fake)) → logsigmoid(-D(x)).mean() + logsigmoid(D(fake))
    .mean() → .sum() | return eqn3 → return -eqn3
    optimizer_D.step() → optimizer_D.step(), nn.init.zeros_(G[0].bias)
so_buoc_G: (k * m) → m | // → / | n_images // (k * m) → -(-n_images // (k * m))
lam_muot: values[0], [] → 0.0, [] | return result → return result[1:]
    decay * mean + (1 - decay) * value → (1 - decay) * mean + decay * value
epoch_tot: + 1 → | if lowest else scores → if not lowest else scores
    scores.nan_to_num(nan=never) → scores[~scores.isnan()]
p_g: (1 - D) / D → D / (1 - D) | p_data * (1 - D) / D → p_data / D
    p_data * (1 - D) / D → (p_data * (1 - D) / D).sum()
R1: gamma / 2 * → gamma * | gamma / 2 * → -gamma / 2 * | steep.mean() → steep.sum()
    create_graph=True → retain_graph=True | G(z).detach() → G(z)
JSD: return entropy → return 2 * entropy | r.log() → r.log2() | torch.where(r > 0, r * r.log(), 0) → (r * r.log())
doi_thang: + d * math.log(2) → - d * math.log(2) | + d * math.log(2) → + d | + d * math.log(2) → + 543.4
KL: torch.where(q > 0, q * (q / r).log(), 0) → (q * (q / r).log()) | q * (q / r) → r * (r / q) | .log() → .log2()
frechet: a.std(0) - b.std(0) → a.var(0) - b.var(0) | .sum() → .mean() | means**2 + stds**2 → stds**2
parzen: windows.fill_diagonal_(-float("inf")) → pass | -float("inf") → 0 | math.log(m - 1) → math.log(m)
    windows.logsumexp(1) - math.log(m - 1) → (windows.exp().sum(1) / (m - 1)).log()
"""
MISTAKES = dict(entry.split(":", 1) for entry in re.split(r"\n(?! )", MISTAKES.strip()))
MISTAKES = {f"kiem_tra_{name}": re.split(r"\n +| \| ", words.strip()) for name, words in MISTAKES.items()}
CHECKS = pytest.mark.parametrize("name", MISTAKES)
ODD = [None, ..., "x", [], object(), float("nan"), torch.ones(2), nn.Linear(2, 2)]
EXERCISES = {}  # check -> (the cell to fill in, the solution folded up behind it)
for path in NOTEBOOKS:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell, after in zip(cells, cells[1:], strict=False):
        call = re.search(r"^(kiem_tra_\w+)\(", "".join(cell["source"]), re.M)
        if call and (folded := FOLDED.search("".join(after["source"]))):
            EXERCISES[call[1]] = cell, folded[1]


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
        names["bce"] = nn.functional.binary_cross_entropy_with_logits
        exec(compile(answer, "the answer", "exec"), names)
        arguments, seeded, verdicts = [names[a.id] for a in call.args], torch.manual_seed, []
        for seed in range(3):
            monkeypatch.setattr(torch, "manual_seed", lambda _, seed=seed: seeded(seed))
            verdicts.append(said(lambda: getattr(exercises, name)(*arguments)))
        monkeypatch.undo()
        assert len({verdict for verdict, _ in verdicts}) == 1
        return verdicts[0]

    return try_it


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


@pytest.mark.parametrize("name, wrong", [(name, wrong) for name in MISTAKES for wrong in ("", *MISTAKES[name])])
def test_the_printed_solution_is_right_and_a_mistake_refused_with_a_hint_that_keeps_the_answer(name, wrong, hand_in):
    cell, answer = EXERCISES[name]
    if not wrong:
        assert hand_in(name, answer) == (True, "Đúng rồi!\n")
        return
    if "→" in wrong:
        old, new = (part.strip().replace("\\n", "\n") for part in wrong.split("→"))
        assert old in answer
        wrong = answer.replace(old, new)
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
