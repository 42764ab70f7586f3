"""The page without ganlib (notebook 10): it runs, its folds are its code, its diffs say what changes."""

import ast
import re
from contextlib import redirect_stdout
from io import StringIO

import nbformat
import pytest
import torch
from conftest import ROOT
from PIL import Image

from ganlib import data

FILE = ROOT / "notebooks" / "mot_trang.py"
PAGE = FILE.read_text(encoding="utf-8")
CELLS = nbformat.read(ROOT / "notebooks" / "10_trang_giay_trang.ipynb", as_version=4).cells
SOURCE = {cell.id: cell.source for cell in CELLS}
SHORT = PAGE.replace("download=True).data", "download=True).data[:300]").replace("range(3)", "range(1)")
NAMES = "images", "latent_dim", "G", "D", "update_D", "update_G"


def run(source, space):
    """What it prints, run among these names."""
    said = StringIO()
    with redirect_stdout(said):
        exec(source, space)
    return said.getvalue()


@pytest.fixture
def run_page(tmp_path, monkeypatch):
    """A function: the names that a page leaves, run in `tmp_path` on the shipped MNIST; what it printed."""

    def runs(page):
        monkeypatch.chdir(tmp_path)
        space = {}
        return space, run(page.replace('"../data"', repr(str(data.unpack("mnist")))), space)

    return runs


def verdicts(space):
    """What `kiem_tra_trang` of the notebook prints about these names: {words: right}."""
    said = run(
        f"{SOURCE['kiem-tra-do']}\n{SOURCE['kiem-tra']}\nkiem_tra_trang()", {name: space[name] for name in NAMES}
    )
    return {line[5:]: line.startswith("đúng") for line in said.splitlines()}


def test_the_page_is_short_and_the_folds_of_the_notebook_are_it():
    assert len(PAGE.splitlines()) <= 60
    imports = [node for node in ast.walk(ast.parse(PAGE)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {(getattr(node, "module", None) or node.names[0].name).split(".")[0] for node in imports}
    assert names == {"copy", "torch", "torchvision"}
    folds = [re.search(r"```python\n(.*)\n```", SOURCE[f"giai-{i}"], re.S)[1] for i in range(1, 6)]
    assert folds == [part.strip() for part in re.split(r"(?m)^(?=# \d\. )", PAGE) if part.strip()]
    hints = [SOURCE[f"o-{i}"].strip() for i in range(1, 6)]  # empty cells, one line each
    assert all(h.startswith(f.splitlines()[0]) and "\n" not in h for h, f in zip(hints, folds, strict=True))


def test_a_page_of_few_images_trains_leaves_a_picture_and_its_check_takes_it(run_page, tmp_path):
    space, said = run_page(SHORT)
    assert re.fullmatch(r"epoch 1: loss_D \d\.\d{3}, loss_G \d\.\d{3}\n", said)
    assert space["images"].shape == (300, 1, 28, 28) and space["images"].aminmax() == (-1, 1)
    assert Image.open(tmp_path / "mot_trang.png").size == (302, 302)
    means = zip(space["G_avg"].parameters(), space["G"].parameters(), strict=True)
    assert not any(torch.equal(mean, now) for mean, now in means)
    networks = [p for N in "DG" for p in space[N].parameters()]
    before = [p.clone() for p in networks]
    found = verdicts(space)
    assert len(found) == 11 and all(found.values()), found
    assert all(map(torch.equal, before, networks)) and space["D"].training  # it leaves the networks alone
    said = run(f"{SOURCE['kiem-tra-do']}\n{SOURCE['kiem-tra']}\nkiem_tra_trang()", {"latent_dim": 100, "G": None})
    assert said == "Chưa có: images, D, update_D, update_G\n"


TOO_FAR = "    optimizer_G.step()\n    [p.data.sub_(0.001 * p.grad) for p in D.parameters()]\n"
MISTAKES = [  # the line that tells it; what is replaced; by what
    ("ảnh thật nằm trong", "/ 127.5 - 1", "/ 255"),
    ("D cho mỗi ảnh một logit", "nn.Linear(512, 1), nn.Flatten(0)", "nn.Linear(512, 1)"),
    ("ảnh thật nằm trong", "/ 127.5 - 1", "/ -127.5 + 1"),
    ("D cho mỗi ảnh một logit", "nn.Flatten(0),", "nn.Sigmoid(), nn.Flatten(0),"),
    ("update_D học từ cả", " + bce(fake_logit, torch.zeros_like(fake_logit))", ""),
    ("hai hàm đều xoá", "    optimizer_G.zero_grad()\n", ""),
    ("hai hàm đều xoá", "    optimizer_D.zero_grad()\n", ""),
    ("update_D dời", "    optimizer_D.step()\n", ""),
    ("update_D không để lại gradient", "G(z).detach()", "G(z)"),
    ("sau update_D", "bce(real_logit, torch.ones_like", "bce(real_logit, torch.zeros_like"),
    ("update_G dời", "    optimizer_G.step()\n", ""),
    ("update_G dời θ_g, để yên θ_d", "    optimizer_G.step()\n", TOO_FAR),
    ("sau update_G", "bce(fake_logit, torch.ones_like", "bce(fake_logit, torch.zeros_like"),
]


@pytest.mark.parametrize(("line", "old", "new"), MISTAKES)
def test_its_check_tells_a_mistake(line, old, new, run_page):
    assert PAGE.count(old) == 1
    found = verdicts(run_page(SHORT.replace(old, new))[0])
    assert [right for words, right in found.items() if words.startswith(line)] == [False]


def test_each_diff_is_from_the_page_to_the_code_that_runs():
    diff = re.compile(r"```diff\n(.*?)```", re.S)
    fences = [(i, fence) for i, cell in enumerate(CELLS) for fence in diff.findall(cell.source)]
    assert len(fences) == 6  # images; G, D; update_D, update_G; the loop
    for i, fence in fences:
        old, new = ("\n".join(line[1:] for line in fence.splitlines() if line[0] != sign) for sign in "+-")
        assert old in PAGE, old
        assert any(new in cell.source for cell in CELLS[i:] if cell.cell_type == "code"), new


def test_a_folder_of_pictures_is_read_and_looked_at(tmp_path):
    """Colour, another size, black on white: one channel, 28 × 28, [-1, 1], and a hint to turn it round."""
    for i in range(3):
        picture = Image.new("RGB", (40, 40), "white")
        picture.paste("black", (10 + i, 5, 15 + i, 35))
        picture.save(tmp_path / f"{i}.png")
    space = {"torch": torch, "Picture": Image, "Path": type(tmp_path), "folder": tmp_path}
    run(SOURCE["doc-chu"].split("show(")[0], space)
    space["count"] = len
    run(SOURCE["soi-anh"].split("inspect_images(images)\n")[0], space)
    looks = "images", "(images + 1) / 2", "-torch.ones(2000, 3, 28, 28)"
    own, unit, colour = (run(f"inspect_images({given})", space) for given in looks)
    assert space["images"].shape == (3, 1, 28, 28)
    assert "images = -images" in own and "Ít ảnh" in own and "Normalize" not in own
    assert "Normalize" in unit and "Grayscale" in colour and "Ít ảnh" not in colour
