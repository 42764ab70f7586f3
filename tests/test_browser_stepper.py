"""The stepper as a class sees and clicks it: in JupyterLab, Notebook 7, and in a page that was exported."""

import re
import subprocess
import sys
from contextlib import suppress

import pytest
from conftest import KERNEL
from test_browser import RUN_ALL, SETUP, Panel, only_lab

with suppress(ModuleNotFoundError):  # see test_browser
    from playwright.sync_api import expect

pytestmark = pytest.mark.slow
OWN = """
from torch import nn, ones, zeros
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

def update_D(D, G, x, z, optimizer_D):
    optimizer_D.zero_grad()
    fake = G(z).detach()  # ảnh giả chỉ là dữ liệu
    loss_real = cross_entropy(D(x), ones(len(x)))
    loss_fake = cross_entropy(D(fake), zeros(len(x)))
    loss = loss_real + loss_fake
    loss.backward()
    optimizer_D.step()
    return loss.detach()
"""
COLOUR = """
G = nn.Sequential(nn.Linear(9, 3 * 64), nn.BatchNorm1d(192), nn.Tanh(), nn.Unflatten(1, (3, 8, 8)))
D = nn.Sequential(nn.Flatten(), nn.Linear(192, 1), nn.Flatten(0))
stepper(G=G, D=D, data=torch.rand(60, 3, 8, 8) * 2 - 1, m=10, latent_dim=9)
"""
CUT_OFF = """panel => [...panel.querySelectorAll('.gs-card, .gs-row, .gs-flex, .gs td, button')]
    .filter(one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display != 'inline')
    .map(one => one.innerText)"""


class Stepper(Panel):
    def __init__(self, lab, number=0):
        super().__init__(lab, "stepper", number)
        self.lit, self.says = self.whole.locator("[aria-current=step]"), self.whole.locator(".gs-says")
        self.menu = self.whole.get_by_label("Tình huống")

    def stands(self, iteration, line, *says):
        """Wait until it stands there."""
        expect(self.whole.locator(".gs-top")).to_contain_text(re.compile(rf"vòng lặp {iteration} ·"))
        expect(self.lit).to_contain_text(line)
        for words in says:
            expect(self.says).to_contain_text(words)


@pytest.fixture
def stepper(lab):
    """The first of two panels in a notebook, of a function with more lines than ganlib's; no file browser."""
    lab.open(lab.write("03.ipynb", SETUP + OWN, "stepper(update_D, data=few)", COLOUR))
    lab.hide_files()
    lab.command(RUN_ALL)
    expect(lab.page.locator(".ganlib-stepper")).to_have_count(2)
    assert lab.errors() == []
    return Stepper(lab)


def test_an_iteration_line_by_line_and_back(stepper):
    lit, own = [], Stepper(stepper.lab, 1)
    expect(stepper.says).to_contain_text("Sẵn sàng")
    for number in range(1, 23):
        stepper.button("Dòng tiếp").click()
        expect(stepper.whole.locator(".gs-box")).to_be_visible()
        stepper.page.wait_for_function(
            "n => document.querySelector('.ganlib-stepper .noUi-handle').getAttribute('aria-valuenow') == n",
            arg=f"{number}.0",
        )
        lit.append(stepper.lit.inner_text())
        assert stepper.whole.evaluate(CUT_OFF) == []
    stepper.stands(1, "yield loss_of_D, loss_of_G", "Bước 6: xong vòng lặp 1")
    assert sum("loss_real = " in text for text in lit) == sum("loss_fake = " in text for text in lit) == 1
    box = stepper.whole.bounding_box()
    assert box["width"] > 1000 and box["x"] + box["width"] < 1280 and box["height"] < 640
    stepper.button("Lùi một dòng").click()
    stepper.stands(1, "loss_of_G = update_G(D, G, z, optimizer_G)", "Cả lượt: θd dịch đi 0, θg dịch đi")
    stepper.button("Hết nửa vòng").press("Enter")
    stepper.stands(1, "yield")
    stepper.button("Hết vòng").press("Space")
    stepper.stands(2, "yield")
    stepper.whole.locator(".noUi-handle").press("Home")
    stepper.stands(2, "for _ in range(k)")
    stepper.play().click()
    expect(stepper.whole.locator(".gs-top")).to_contain_text(re.compile(r"vòng lặp [4-9] ·"))
    stepper.play().click()
    expect(own.says).to_contain_text("Sẵn sàng")  # the other one stands where it stood
    own.button("Hết vòng").click()
    own.stands(1, "yield")
    assert own.whole.locator(".gs-side img").count() == 4
    assert stepper.lab.errors() == []


@only_lab
def test_what_if_and_letters_that_grow(stepper):
    stepper.menu.select_option("Quên detach")
    expect(stepper.whole.locator(".gs-row.old")).to_contain_text("fake = G(z).detach()")
    expect(stepper.whole.locator(".gs-row.new")).to_contain_text("fake = G(z)")
    stepper.button("Hết nửa vòng").click()
    stepper.stands(1, "for _ in range(k)")
    stepper.menu.select_option("Thuật toán 1, code để nguyên")
    expect(stepper.says).to_contain_text("Sẵn sàng")
    size = "panel => parseFloat(getComputedStyle(panel.querySelector('.gs-row code')).fontSize)"
    before = stepper.whole.evaluate(size)
    stepper.lab.command("application:toggle-presentation-mode")
    stepper.page.wait_for_timeout(1000)
    assert stepper.whole.evaluate(size) > 1.1 * before
    assert stepper.lab.errors() == []


@only_lab
def test_an_edited_cell_run_again_and_a_function_that_never_returns(lab):
    loop = OWN.replace(
        "    loss.backward()", "    while len(steps) > 1: pass\n    steps.append(1)\n    loss.backward()"
    )
    lab.open(lab.write("03.ipynb", SETUP + "steps = []" + loop, "stepper(update_D, data=few, m=10)"))
    lab.hide_files()
    lab.command(RUN_ALL)
    shown = Stepper(lab)
    shown.button("Hết vòng").click()
    shown.stands(1, "yield")
    shown.button("Hết vòng").click()
    lab.page.wait_for_function(f"{KERNEL}.status === 'busy'")
    lab.page.wait_for_timeout(8000)
    lab.command("kernelmenu:interrupt")
    shown.stands(2, "while len(steps) > 1: pass", "KeyboardInterrupt", "Bạn đã ngắt hàm")
    shown.button("Lùi một dòng").click()
    shown.stands(2, "loss = ")
    lab.page.evaluate(f"{KERNEL}.restart()")
    lab.faults.clear()  # ipywidgets says in the console that the old panel's kernel is gone
    lab.command(RUN_ALL)
    expect(shown.says).to_contain_text("Sẵn sàng")
    shown.button("Dòng tiếp").click()
    shown.stands(1, "batches = ")
    assert lab.errors() == []


@only_lab
def test_the_saved_notebook_on_a_phone(stepper, tmp_path):
    """Without a server or a kernel: the picture, and the recorded iteration, which steps."""
    lab, page = stepper.lab, stepper.page
    lab.reopen()
    expect(page.locator(".jp-OutputArea img[width]")).to_have_count(2)
    expect(page.locator(".jupyter-widgets")).to_have_count(0)
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", str(tmp_path)]
    subprocess.run([*command, str(lab.root / "saved.ipynb")], check=True, capture_output=True)
    assert (tmp_path / "saved.html").stat().st_size < 2_000_000
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto((tmp_path / "saved.html").as_uri())
    expect(page.locator("img[width]").first).to_be_visible()
    film = page.locator("details.gs-recorded").first
    film.locator("summary").click()
    expect(film.locator("output")).to_have_text("0 / 22")
    for _ in range(23):
        film.locator("button", has_text="Dòng tiếp").click()
    expect(film.locator("output")).to_have_text("22 / 22")
    expect(film.locator("[aria-current=step]")).to_contain_text("yield loss_of_D, loss_of_G")
    film.locator("input").press("Home")
    for _ in range(10):
        film.locator("input").press("ArrowRight")
    expect(film.locator("[aria-current=step]")).to_contain_text("optimizer_D.step()")
    assert film.evaluate("one => one.scrollWidth <= one.clientWidth + 1") and lab.faults == []
