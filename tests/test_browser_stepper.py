"""The stepper as a class sees and clicks it: in JupyterLab, Notebook 7, and in a page that was exported."""

import re
import subprocess
import sys

import pytest
from conftest import KERNEL
from playwright.sync_api import expect
from test_browser import RUN_ALL, Panel, only_lab

pytestmark = pytest.mark.slow
OWN = """
from torch import ones, zeros
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from ganlib.widgets import stepper

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
ITERATION = r"vòng lặp (\d+) ·"
TIME_A_CLICK = """async panel => {
    const sheet = panel.querySelector('.gs-box').parentElement, button = panel.querySelectorAll('button')[2];
    const drawn = new Promise(done => new MutationObserver(done).observe(sheet, {childList: true}));
    const began = performance.now();
    button.click();
    await drawn;
    await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""
CUT_OFF = """panel => [...panel.querySelectorAll('.gs-card, .gs-row, .gs-flex, .gs td, button')]
    .filter(one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display != 'inline')
    .map(one => one.innerText)"""
FIT = """all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.innerText)"""


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
    lab.open(lab.write("03.ipynb", OWN, "stepper(update_D)", "stepper(m=10)"))
    lab.hide_files()
    lab.command(RUN_ALL)
    expect(lab.page.locator(".ganlib-stepper")).to_have_count(2)
    assert lab.errors() == []
    return Stepper(lab)


def test_an_iteration_line_by_line_and_back(stepper, tmp_path):
    times, lit = [], []
    expect(stepper.says).to_contain_text("Sẵn sàng")
    for number in range(22):
        times.append(stepper.whole.evaluate(TIME_A_CLICK))
        lit.append(stepper.lit.inner_text())
        assert stepper.whole.evaluate(CUT_OFF) == []
        stepper.whole.screenshot(path=tmp_path / f"stop_{number:02}.png")
    print(f"\na click shows after {sorted(times)[len(times) // 2]:.0f} ms (median), {max(times):.0f} at most")
    stepper.stands(1, "yield loss_of_D, loss_of_G", "Bước 6: xong vòng lặp 1")
    assert sum("loss_real = " in text for text in lit) == sum("loss_fake = " in text for text in lit) == 1
    lines = stepper.whole.locator(".gs-row > code").all()[:5]
    lefts = [line.bounding_box()["x"] for line in lines]
    assert lefts == sorted(lefts) and lefts[-1] > lefts[0] + 30  # indented as code is
    box = stepper.whole.bounding_box()
    assert box["width"] > 1000 and box["x"] + box["width"] < 1280 and box["height"] < 592
    stepper.button("Lùi một dòng").click()
    stepper.stands(1, "loss_of_G = update_G(D, G, z, optimizer_G)", "Cả lượt: θg dịch đi")
    stepper.button("Hết nửa vòng").press("Enter")
    stepper.stands(1, "yield")
    stepper.button("Hết vòng").press("Space")
    stepper.stands(2, "yield")
    stepper.whole.locator(".noUi-handle").press("Home")
    stepper.stands(2, "for _ in range(k)")
    stepper.button("Lùi một vòng").click()
    stepper.stands(1, "yield")
    expect(Stepper(stepper.lab, 1).says).to_contain_text("Sẵn sàng")  # the other one stands where it stood
    assert stepper.page.locator(".jp-OutputArea img[width]").count() == 0  # no static picture beside it
    assert stepper.lab.errors() == []


@only_lab
def test_run_and_stop(stepper):
    stepper.button("Chạy 100 vòng").click()
    expect(stepper.whole.locator(".gs-top")).to_contain_text(re.compile(r"vòng lặp \d\d ·"))
    stepper.button("Dừng").click()
    expect(stepper.says).to_contain_text("Đã dừng ở vòng lặp")
    stopped = stepper.number(ITERATION)
    stepper.page.wait_for_timeout(500)
    assert stepper.number(ITERATION) == stopped < 100
    stepper.button("Dòng tiếp").click()
    stepper.stands(stopped + 1, "for _ in range(k)")
    assert stepper.lab.errors() == []


@only_lab
def test_what_if(stepper):
    stepper.menu.select_option("Quên detach")
    expect(stepper.says).to_contain_text("Hỏi cả lớp.")
    expect(stepper.whole.locator(".gs-row.old")).to_contain_text("fake = G(z).detach()")
    expect(stepper.whole.locator(".gs-row.new")).to_contain_text("fake = G(z)")
    for _ in range(9):
        stepper.button("Dòng tiếp").click()
    stepper.stands(1, "loss.backward()", "θg cũng nhận gradient")
    assert stepper.whole.evaluate(CUT_OFF) == [] and stepper.whole.bounding_box()["height"] < 592
    stepper.menu.select_option("Thuật toán 1, code để nguyên")
    expect(stepper.says).to_contain_text("Sẵn sàng")
    assert stepper.lab.errors() == []


@only_lab
def test_an_edited_cell_run_again_and_a_function_that_never_returns(lab):
    loop = OWN.replace(
        "    loss.backward()", "    while steps: pass\n    steps.append(1)\n    loss.backward()"
    )
    lab.open(lab.write("03.ipynb", "steps = []" + loop, "stepper(update_D, m=10)"))
    lab.hide_files()
    lab.command(RUN_ALL)
    shown = Stepper(lab)
    shown.button("Hết vòng").click()
    shown.button("Hết vòng").click()
    lab.page.wait_for_function(f"{KERNEL}.status === 'busy'")
    lab.page.wait_for_timeout(1000)
    lab.command("kernelmenu:interrupt")
    shown.stands(2, "while steps: pass", "KeyboardInterrupt", "Bạn đã ngắt hàm")
    shown.button("Lùi một dòng").click()
    shown.stands(2, "loss = ")
    lab.command(RUN_ALL)
    expect(shown.says).to_contain_text("Sẵn sàng")
    lab.page.evaluate(f"{KERNEL}.restart()")
    shown.button("Dòng tiếp").click()  # in vain: its kernel is gone, which ipywidgets says in the console
    lab.faults.clear()
    lab.command(RUN_ALL)
    expect(shown.says).to_contain_text("Sẵn sàng")
    shown.button("Dòng tiếp").click()
    shown.stands(1, "batches = ")
    assert lab.errors() == []


@only_lab
def test_the_saved_notebook_and_the_exported_page(stepper, tmp_path):
    """On a phone, without a server or a kernel: the picture, and the recorded iteration, which steps."""
    lab, page = stepper.lab, stepper.page
    lab.reopen()
    expect(page.locator(".jp-OutputArea img[width]")).to_have_count(2)
    expect(page.locator(".jupyter-widgets")).to_have_count(0)
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", str(tmp_path)]
    subprocess.run([*command, str(lab.root / "saved.ipynb")], check=True, capture_output=True)
    assert (tmp_path / "saved.html").stat().st_size < 2_000_000
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto((tmp_path / "saved.html").as_uri())
    film = page.locator("details").first
    expect(page.locator("img[width]").first).to_be_visible()
    expect(page.locator("em").first).to_contain_text(
        "Bảng điều khiển từng bước, dừng ở một dòng của update_D"
    )
    film.locator("summary").click()
    expect(film.locator("output")).to_have_text("0 / 22")
    for _ in range(23):
        film.locator("button", has_text="Dòng tiếp").click()
    expect(film.locator("output")).to_have_text("22 / 22")
    expect(film.locator("[aria-current=step]")).to_contain_text("yield loss_of_D, loss_of_G")
    film.locator("button", has_text="Lùi một dòng").press("Enter")
    film.locator("input").press("Home")
    for _ in range(10):
        film.locator("input").press("ArrowRight")
    expect(film.locator("[aria-current=step]")).to_contain_text("optimizer_D.step()")
    images = film.locator(".gs-side img")
    assert images.count() == 4 and images.first.evaluate("image => image.naturalWidth") > 100
    assert film.evaluate("one => one.scrollWidth <= one.clientWidth + 1")
    assert film.locator("td, .gs-side .gs-flex").evaluate_all(FIT) == []
    page.screenshot(path=tmp_path / "phone.png", full_page=True)
    assert page.evaluate("document.querySelectorAll('details').length") == 2
    assert lab.faults == []
