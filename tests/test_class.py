"""The class kit: what students write, the checks that follow each blank, the marks of the assignment."""

import inspect
import re

import cham_bai
import kiem_tra_o_trong as blanks
import nbformat
import phat_bai
import pytest
import torch
from conftest import ROOT
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from ganlib import algorithm, networks

LOP_HOC = ROOT / "notebooks" / "lop_hoc"
# Check -> what is right (ganlib's own), and changes in it that are typical mistakes.
RIGHT = {
    "kiem_tra_G": networks.Generator,
    "kiem_tra_D": networks.Discriminator,
    "kiem_tra_buoc_D": algorithm.update_D,
    "kiem_tra_buoc_G": algorithm.update_G,
}
LOGITS = "loss_D(real_logit, fake_logit)"
MISTAKES = [
    ("kiem_tra_G", "nn.LeakyReLU(SLOPE)", "nn.ReLU()"),
    ("kiem_tra_G", "nn.Tanh()", "nn.Sigmoid()"),
    ("kiem_tra_G", "nn.Linear(n, p)", "nn.Linear(n, n)"),
    ("kiem_tra_G", ", nn.Unflatten(1, IMAGE_SHAPE)", ""),
    ("kiem_tra_D", ", nn.Dropout(dropout)", ""),
    ("kiem_tra_D", "layers = [nn.Flatten()]", "layers = []"),
    ("kiem_tra_D", ", nn.Flatten(0)", ", nn.Sigmoid(), nn.Flatten(0)"),
    ("kiem_tra_buoc_D", ".detach()  # G", "  # G"),
    ("kiem_tra_buoc_D", "    optimizer_D.zero_grad()\n", ""),
    ("kiem_tra_buoc_D", "    optimizer_D.step()", "    pass"),
    ("kiem_tra_buoc_D", LOGITS, "loss_D(fake_logit, real_logit)"),
    ("kiem_tra_buoc_D", LOGITS, "loss_D(real_logit, fake_logit.detach())"),
    ("kiem_tra_buoc_D", "return loss.detach()", "return loss"),
    ("kiem_tra_buoc_G", "D(G(z))", "D(G(z).detach())"),
    ("kiem_tra_buoc_G", "    optimizer_G.zero_grad()\n", ""),
    ("kiem_tra_buoc_G", "loss = loss_G(fake_logit)", "loss = loss_G_minimax(fake_logit)"),
    ("kiem_tra_buoc_G", "loss = loss_G(fake_logit)", "loss = -loss_G_minimax(fake_logit)"),
    ("kiem_tra_buoc_G", "return loss.detach()", "return loss.item()"),
]


@pytest.mark.parametrize("name, old, new", [*((name, "", "") for name in RIGHT), *MISTAKES])
def test_the_check_of_a_blank_takes_what_ganlib_has_and_refuses_a_mistake_with_a_hint(name, old, new, capsys):
    source, made = inspect.getsource(RIGHT[name]), dict(vars(inspect.getmodule(RIGHT[name])))
    assert old in source
    exec(source.replace(old, new), made)
    assert getattr(blanks, name)(made[RIGHT[name].__name__]) is (old == "")
    refused = "Chưa đúng. Gợi ý: ", "Code của bạn báo lỗi", "Câu trả lời chưa đúng kiểu"
    assert capsys.readouterr().out.startswith(refused if old else "Đúng rồi!\n")


LOOP_OF_03 = """
G, D = networks.Generator(3, (4,)), networks.Discriminator((4,))
optimizer_G, optimizer_D = Adam(G.parameters()), Adam(D.parameters())
batches, k = iter(torch.rand(6, 5, 1, 28, 28)), 3
for _ in range(2):
    for _ in range(k):
        z, x = torch.randn(5, 3), next(batches)
        loss = update_D(D, G, x, z, optimizer_D)
    z = torch.randn(5, 3)
    update_G(D, G, z, optimizer_G)
verdict = kiem_tra_vong_lap(optimizer_D, optimizer_G, batches, k, 2, loss)
"""
WRONG_LOOPS = [
    ("    update_G(D, G, z, optimizer_G)\n", ""),
    ("loss = update_D(D, G, x, z, optimizer_D)", "loss = 1"),
    ("        loss = update_D(D, G, x, z, optimizer_D)\n", "        loss = 0 * update_D(D, G, x, z, optimizer_D)\n"),
    ("    z = torch.randn(5, 3)\n    update_G(", "        z = torch.randn(5, 3)\n        update_G("),
    ("next(batches)", "torch.rand(5, 1, 28, 28)"),
]


@pytest.mark.parametrize("old, new", [("", ""), *WRONG_LOOPS])
def test_the_check_of_the_loop_counts_who_stepped(old, new, capsys):
    names = {"networks": networks, "torch": torch, "Adam": torch.optim.Adam} | vars(algorithm) | vars(blanks)
    assert old in LOOP_OF_03
    exec(LOOP_OF_03.replace(old, new), names)
    assert names["verdict"] is (old == "")
    assert capsys.readouterr().out.startswith("Chưa đúng. Gợi ý: " if old else "Đúng rồi!")


UPDATE = """import torch


def double(x):  # -> 2x
    # nhân đôi
    y = 2 * x  # hai lần x
    return y


class Two:
    pass"""
EMPTY = UPDATE.replace("    y = 2 * x  # hai lần x\n    return y", "    # hai lần x\n    ...  # {}")
LOOP = "total = 0\nfor i in range(3):\n    # cộng dồn\n    total += double(i)"
ANSWERS = "Nghĩ đi.\n\n<details><summary>Trả lời</summary>\n\nBốn.\n\n</details>\n\n## Tiếp"
ALONE = "<details><summary>Lời giải: cả bài</summary>\n\n`2 * x`\n\n</details>"


@pytest.fixture
def lesson():
    """A notebook with two blanks, a cell that leaves, a quiz's answer, and a solution."""
    v4, double, total = nbformat.v4, "kiem_tra_dung(double(2) == 4)", "kiem_tra_dung(total == 6)"
    marks = [
        {"blank": [["# nhân đôi", "return y"]], "write": "thân hàm double", "check": double},
        {"blank": [["total +=", "total +="]], "write": "phép cộng", "check": total},
        {"leave": True},
    ]
    cells = [
        v4.new_code_cell(source, metadata={"class": mark, "tags": ["x"]}, execution_count=1)
        for mark, source in zip(marks, [UPDATE, LOOP, "print('đáp án')"], strict=True)
    ]
    cells += [v4.new_markdown_cell(ANSWERS), v4.new_markdown_cell(ALONE)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return v4.new_notebook(cells=cells, metadata=kernel)


def run(notebook, folder):
    """Run All, as a student does: "" or the error's last line."""
    (folder / "kiem_tra_o_trong.py").write_text("kiem_tra_dung = bool", encoding="utf-8")
    try:
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    except CellExecutionError as error:
        return re.sub(r"\x1b\[[\d;]*m", "", str(error)).strip().splitlines()[-1]
    return ""


def test_run_all_stops_at_the_first_empty_blank_and_says_which(lesson, tmp_path):
    """Not by a NameError; once it is filled in, at the next one; then it runs to the end."""
    given = phat_bai.class_edition(lesson, "03")
    assert [cell.cell_type for cell in given.cells] == ["code"] * 4 + ["markdown"]
    where = "ô trống 1 của bài 03: thân hàm double"
    assert given.cells[0].source == EMPTY.format(where) and given.cells[4].source == "Nghĩ đi.\n\n## Tiếp"
    assert run(given, tmp_path).startswith(f"AssertionError: Dừng ở {where}. Viết vào đó")
    given.cells[0].source = UPDATE
    assert run(given, tmp_path) == "NotImplementedError: Hãy viết ô trống 2 của bài 03: phép cộng"
    given.cells[2].source = LOOP
    assert run(given, tmp_path) == ""
    lesson.cells[0].metadata["class"]["blank"] = [["# nhân đôi", "return z"]]
    with pytest.raises(ValueError, match="không tìm thấy đoạn"):  # a mark that names no line
        phat_bai.class_edition(lesson, "03")


ASSIGNMENT = nbformat.read(LOP_HOC / "bai_lon.ipynb", as_version=4).cells
MARKED = [cell for cell in ASSIGNMENT if "blank" in cell.metadata.get("class", {})]
ANSWERED = {cell.metadata["class"]["write"]: cell.source for cell in MARKED}  # question -> the teacher's answer
HANDED_IN = [  # question, a change in the teacher's answer, the points that are left
    ("to_network", "/ 127.5 - 1", "/ 255", 0.5),
    ("update_D_soft", ".detach()\n    real", "\n    real", 1.125),
    ("update_D_soft", "real_label)", "1.0)", 0.75),
    ("update_D_soft", "zeros_like", "ones_like", 0.375),
    ("one_epoch", "torch.randperm(len(images))", "torch.arange(len(images))", 1.125),
    ("one_epoch", "for _ in range(k):", "for _ in range(1):", 0.75),
    ("one_epoch", "len(images) // (k * m)", "len(images) // m", 0.375),
    ("missing", "minlength=10", "minlength=0", 0.5),
    ("missing", "< least", "<= least", 0.25),
]


def marks_of(sources):
    names = {"torch": torch, "bce": torch.nn.functional.binary_cross_entropy_with_logits}
    for source in sources.values():
        exec(source, names)
    return cham_bai.marks(names)


def test_the_assignment_is_marked_ten_of_ten_with_the_rest_for_a_person():
    assert marks_of(ANSWERED) == cham_bai.POINTS and sum(cham_bai.POINTS.values()) == 5
    points = [float(p) for p in re.findall(r"^\| \d \|.*?\| ([\d.]+) \|", ASSIGNMENT[0].source, re.M)]
    assert points[:4] == list(cham_bai.POINTS.values()) and sum(points) == 10
    empty = {"missing": "def missing(labels, least=0.01):\n    ..."}  # and the others are not there
    assert set(marks_of(empty).values()) == {0.0}


@pytest.mark.parametrize("name, old, new, left", HANDED_IN)
def test_a_wrong_answer_costs_points_and_only_its_own(name, old, new, left):
    assert old in ANSWERED[name]
    assert marks_of(ANSWERED | {name: ANSWERED[name].replace(old, new)}) == cham_bai.POINTS | {name: left}
