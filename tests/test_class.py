"""The class kit: what students write, and the checks that follow each blank."""

import inspect
import re

import cham_bai
import nbformat
import phat_bai
import pytest
import torch
from conftest import ROOT
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from ganlib import algorithm, networks
from ganlib.exercises import blanks

# Check -> what is right (ganlib's own), and changes in it that are typical mistakes.
WRITTEN = {
    "kiem_tra_G": (
        networks.Generator,
        [
            ("nn.LeakyReLU(SLOPE)", "nn.ReLU()"),
            ("nn.Tanh()", "nn.Sigmoid()"),
            ("nn.Linear(n, p)", "nn.Linear(n, n)"),
            (", nn.Unflatten(1, IMAGE_SHAPE)", ""),
            ("nn.Sequential(*layers)", "nn.Sequential()"),
        ],
    ),
    "kiem_tra_D": (
        networks.Discriminator,
        [
            (", nn.Dropout(dropout)", ""),
            ("layers = [nn.Flatten()]", "layers = []"),
            (", nn.Flatten(0)", ""),
            (", nn.Flatten(0)", ", nn.Sigmoid(), nn.Flatten(0)"),
        ],
    ),
    "kiem_tra_buoc_D": (
        algorithm.update_D,
        [
            (".detach()  # G", "  # G"),
            ("    optimizer_D.zero_grad()\n", ""),
            ("    optimizer_D.step()", "    pass"),
            ("loss_D(real_logit, fake_logit)", "loss_D(fake_logit, real_logit)"),
            ("loss_D(real_logit, fake_logit)", "-loss_D(real_logit, fake_logit)"),
            ("loss_D(real_logit, fake_logit)", "loss_D(real_logit, fake_logit.detach())"),
            ("return loss.detach()", "return loss"),
        ],
    ),
    "kiem_tra_buoc_G": (
        algorithm.update_G,
        [
            ("D(G(z))", "D(G(z).detach())"),
            ("    optimizer_G.zero_grad()\n", ""),
            ("loss = loss_G(fake_logit)", "loss = loss_G_minimax(fake_logit)"),
            ("loss = loss_G(fake_logit)", "loss = -loss_G(fake_logit)"),
            ("return loss.detach()", "return 0"),
        ],
    ),
}


def answer(right, change=("", "")):
    source = inspect.getsource(right)
    assert change[0] in source
    made = dict(vars(inspect.getmodule(right)))
    exec(source.replace(*change), made)
    return made[right.__name__]


@pytest.mark.parametrize("name", WRITTEN)
def test_the_check_of_a_blank_takes_what_ganlib_has(name, capsys):
    assert getattr(blanks, name)(answer(WRITTEN[name][0])) is True
    assert capsys.readouterr().out == "Đúng rồi!\n"


@pytest.mark.parametrize("name, change", [(name, change) for name in WRITTEN for change in WRITTEN[name][1]])
def test_the_check_of_a_blank_refuses_a_mistake_with_a_hint(name, change, capsys):
    assert getattr(blanks, name)(answer(WRITTEN[name][0], change)) is False
    said = capsys.readouterr().out
    assert said.startswith(("Chưa đúng. Gợi ý: ", "Code của bạn báo lỗi", "Câu trả lời chưa đúng kiểu"))


LOOP_OF_03 = """
G, D = networks.Generator(3, (4,)), networks.Discriminator((4,))
optimizer_G, optimizer_D = Adam(G.parameters()), Adam(D.parameters())
batches, k = iter(torch.rand(6, 5, 1, 28, 28)), 3
for _ in range(2):
    for _ in range(k):
        z, x = torch.randn(5, 3), next(batches)
        update_D(D, G, x, z, optimizer_D)
    z = torch.randn(5, 3)
    update_G(D, G, z, optimizer_G)
verdict = kiem_tra_vong_lap(optimizer_D, optimizer_G, batches, k, 2)
"""
WRONG_LOOPS = [
    ("    update_G(D, G, z, optimizer_G)\n", ""),
    ("        update_D(D, G, x, z, optimizer_D)\n", ""),
    ("range(k)", "range(2)"),
    ("    z = torch.randn(5, 3)\n    update_G(", "        z = torch.randn(5, 3)\n        update_G("),
    ("next(batches)", "torch.rand(5, 1, 28, 28)"),
]


@pytest.mark.parametrize("change", [("", ""), *WRONG_LOOPS])
def test_the_check_of_the_loop_counts_who_stepped(change, capsys):
    names = {"networks": networks, "torch": torch, "Adam": torch.optim.Adam} | vars(algorithm)
    names["kiem_tra_vong_lap"] = blanks.kiem_tra_vong_lap
    assert change[0] in LOOP_OF_03
    exec(LOOP_OF_03.replace(*change), names)
    assert names["verdict"] is (change == ("", ""))
    assert capsys.readouterr().out.startswith(("Chưa đúng. Gợi ý: ", "Đúng rồi!"))


def test_every_check_of_a_blank_is_proven_against_three_mistakes():
    assert {name for name in vars(blanks) if name.startswith("kiem_tra_")} == {*WRITTEN, "kiem_tra_vong_lap"}
    assert all(len(mistakes) >= 3 for _, mistakes in WRITTEN.values())


UPDATE = """import torch


def double(x):  # -> 2x
    # nhân đôi
    y = 2 * x  # hai lần x
    return y


class Two:
    pass"""
LOOP = "total = 0\nfor i in range(3):\n    # cộng dồn\n    total += double(i)"


@pytest.fixture
def lesson(monkeypatch):
    """A notebook with two blanks, a quiz's answer, and a solution."""
    v4 = nbformat.v4
    notebook = v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    right = "kiem_tra_dung(double(2) == 4)"
    marks = [
        {"blank": [["# nhân đôi", "return y"]], "write": "thân hàm double", "check": right},
        {"blank": [["total +=", "total +="]], "write": "phép cộng", "check": "kiem_tra_dung(total == 6)"},
        {"leave": True},
    ]
    for mark, source in zip(marks, [UPDATE, LOOP, "print('đáp án')"], strict=True):
        notebook.cells.append(
            v4.new_code_cell(source, metadata={"class": mark, "tags": ["x"]}, execution_count=1)
        )
    answers = "Nghĩ đi.\n\n<details><summary>Trả lời</summary>\n\nBốn.\n\n</details>\n\n## Tiếp"
    alone = "<details><summary>Lời giải: cả bài</summary>\n\n`2 * x`\n\n</details>"
    notebook.cells += [v4.new_markdown_cell(answers), v4.new_markdown_cell(alone)]
    return notebook


def run(notebook):
    """Run All, as a student does: "" or the error's last line."""
    check = "import ganlib.exercises.blanks as b\nb.kiem_tra_dung = lambda true: true"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(check))
    try:
        NotebookClient(notebook, timeout=120).execute()
    except CellExecutionError as error:
        return re.sub(r"\x1b\[[\d;]*m", "", str(error)).strip().splitlines()[-1]
    finally:
        del notebook.cells[0]
    return ""


def test_run_all_stops_at_the_first_empty_blank_and_says_which(lesson):
    """Not by a NameError; once it is filled in, at the next one; then it runs to the end."""
    given = phat_bai.class_edition(lesson, "03")
    kinds = [cell.cell_type for cell in given.cells]
    assert kinds == ["code"] * 4 + ["markdown"]
    assert given.cells[0].source == UPDATE.replace(
        "    # nhân đôi\n    y = 2 * x  # hai lần x\n    return y",
        "    # nhân đôi\n    # hai lần x\n    ...  # ô trống 1 của bài 03: thân hàm double",
    )
    assert run(given).startswith("AssertionError: Dừng ở ô trống 1 của bài 03: thân hàm double. Viết vào đó")
    given.cells[0].source = UPDATE
    assert run(given) == "NotImplementedError: ô trống 2 của bài 03: phép cộng"
    given.cells[2].source = LOOP
    assert run(given) == ""
    assert given.cells[4].source == "Nghĩ đi.\n\n## Tiếp"


def test_a_mark_that_names_no_line_is_an_error(lesson):
    lesson.cells[0].metadata["class"]["blank"] = [["# nhân đôi", "return z"]]
    with pytest.raises(ValueError, match="không tìm thấy đoạn"):
        phat_bai.class_edition(lesson, "03")


ASSIGNMENT = ROOT / "notebooks" / "lop_hoc" / "bai_lon.ipynb"
# Question -> wrong answers: a change in the teacher's, and the points that are left.
HANDED_IN = [
    ("to_network", ("/ 127.5 - 1", "/ 255"), 0.5),
    ("to_network", ("pixels[:, None]", "pixels"), 0.5),
    ("update_D_soft", (".detach()\n    real", "\n    real"), 1.125),
    ("update_D_soft", ("real_label)", "1.0)"), 0.75),
    ("update_D_soft", ("    optimizer_D.zero_grad()\n", ""), 0.75),
    ("update_D_soft", ("zeros_like", "ones_like"), 0.375),
    ("one_epoch", ("torch.randperm(len(images))", "torch.arange(len(images))"), 1.125),
    ("one_epoch", ("for _ in range(k):", "for _ in range(1):"), 0.75),
    ("one_epoch", ("len(images) // (k * m)", "len(images) // m"), 0.375),
    ("missing", ("minlength=10", "minlength=0"), 0.5),
    ("missing", ("< least", "<= least"), 0.25),
    ("missing", ("< least", "< 0.01"), 0.5),
]


@pytest.fixture(scope="module")
def answers():
    """The teacher's answers: question -> code."""
    cells = nbformat.read(ASSIGNMENT, as_version=4).cells
    return {
        cell.metadata["class"]["write"]: cell.source
        for cell in cells
        if "blank" in cell.metadata.get("class", {})
    }


def marks_of(sources):
    names = {"torch": torch, "bce": torch.nn.functional.binary_cross_entropy_with_logits}
    for source in sources.values():
        exec(source, names)
    return cham_bai.marks(names)


def test_the_assignment_is_marked_ten_of_ten_with_the_rest_for_a_person(answers):
    assert marks_of(answers) == cham_bai.POINTS and sum(cham_bai.POINTS.values()) == 5
    first = nbformat.read(ASSIGNMENT, as_version=4).cells[0].source
    points = [float(p) for p in re.findall(r"^\| \d \|.*?\| ([\d.]+) \|", first, re.M)]
    assert points[:4] == list(cham_bai.POINTS.values()) and sum(points) == 10


@pytest.mark.parametrize("name, change, left", HANDED_IN)
def test_a_wrong_answer_costs_points_and_only_its_own(answers, name, change, left):
    assert change[0] in answers[name]
    wrong = answers | {name: answers[name].replace(*change)}
    assert marks_of(wrong) == cham_bai.POINTS | {name: left}


def test_what_is_empty_or_missing_earns_nothing(answers):
    assert set(marks_of({"x": "def missing(labels, least=0.01):\n    ..."}).values()) == {0.0}
