"""The stepper's panel as a class sees and clicks it, in JupyterLab in a real browser."""

import re

import pytest
from conftest import KERNEL
from playwright.sync_api import expect

from ganlib.stepper import STOPS

pytestmark = pytest.mark.slow

expect.set_options(timeout=30_000)  # the machine may be busy
RUN_ALL = "notebook:run-all-cells"
COUNT_DRAWINGS = """sheet => {
    window.drawings = [];
    new MutationObserver(() => window.drawings.push(performance.now())).observe(sheet, {childList: true});
}"""
TIME_A_CLICK = """async panel => {
    const sheet = panel.querySelector('.gs').parentElement, button = panel.querySelectorAll('button')[1];
    const drawn = new Promise(done => new MutationObserver(done).observe(sheet, {childList: true}));
    const began = performance.now();
    button.click();
    await drawn;
    await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""
TOO_WIDE = """panel => [...panel.querySelectorAll('.gs-card, .gs-row, .gs-line, button')]
    .filter(one => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)
    .map(one => one.innerText)"""


@pytest.fixture
def stepper(lab):
    """The first of two panels in a notebook, on a screen without the file browser."""
    lab.open(lab.write("03.ipynb", "from ganlib.stepper_panel import stepper", "stepper()", "stepper(m=10)"))
    lab.command("application:toggle-left-area")
    lab.command(RUN_ALL)
    assert lab.errors() == []
    expect(lab.page.locator(".ganlib-stepper")).to_have_count(2)
    return Panel(lab)


class Panel:
    """Where the parts of a panel are in the page."""

    def __init__(self, lab, number=0):
        self.lab, self.page = lab, lab.page
        self.whole = self.page.locator(".ganlib-stepper").nth(number)
        self.sheet = self.whole.locator(".gs").locator("xpath=..")

    def button(self, words):
        return self.whole.locator("button", has_text=words)  # an icon would be part of the role's name

    def expect(self, words):
        expect(self.sheet).to_contain_text(
            words if isinstance(words, re.Pattern) else re.compile(re.escape(words))
        )

    def expect_stop(self, key, iteration):
        self.expect(f"vòng lặp {iteration} ·")
        self.expect(f"{key} {STOPS[key].title}.".replace("θ_", "θ"))

    def iteration(self):
        return int(re.search(r"vòng lặp (\d+) ·", self.sheet.inner_text())[1])


def test_a_full_iteration_step_by_step_and_back(stepper, tmp_path):
    stepper.expect("Sẵn sàng.")
    times = []
    for key in list(STOPS)[1:]:
        times.append(stepper.whole.evaluate(TIME_A_CLICK))
        stepper.expect_stop(key, 1)
        assert stepper.whole.evaluate(TOO_WIDE) == []
        stepper.whole.screenshot(path=tmp_path / f"stop_{key}.png")
    print(f"\na click shows after {sorted(times)[len(times) // 2]:.0f} ms (median), {max(times):.0f} at most")
    box = stepper.whole.bounding_box()
    assert box["width"] > 1000 and box["x"] + box["width"] < 1280 and box["height"] < 590
    assert stepper.whole.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
    stepper.button("Lùi lại").click()
    stepper.expect_stop("5b", 1)
    stepper.button("Chạy hết nửa vòng").press("Enter")
    stepper.expect_stop("5c", 1)
    stepper.button("Chạy hết vòng").press("Space")
    stepper.expect_stop("5c", 2)
    Panel(stepper.lab, 1).expect("Sẵn sàng.")  # the other panel stands where it stood
    assert stepper.page.locator(".jp-OutputArea img[width]").count() == 0  # no static picture beside it
    assert stepper.lab.errors() == []


def test_run_and_stop(stepper):
    stepper.sheet.evaluate(COUNT_DRAWINGS)
    stepper.button("Chạy 100 vòng").click()
    stepper.expect(re.compile(r"vòng lặp \d\d ·"))
    stepper.button("Dừng").click()
    stepper.expect("Đã dừng sau vòng lặp")
    times = stepper.page.evaluate("window.drawings")
    rate = (len(times) - 1) / (times[-1] - times[0]) * 1000
    print(f"\n{len(times)} drawings reached the page, {rate:.1f} a second")
    assert len(times) > 3  # the rate is only told: it depends on what else the machine does
    stopped = stepper.iteration()
    stepper.page.wait_for_timeout(500)
    assert stepper.iteration() == stopped < 100
    stepper.expect_stop("5c", stopped)
    stepper.button("Bước tiếp").click()
    stepper.expect_stop("1a", stopped + 1)
    assert stepper.lab.errors() == []


def test_choices_and_what_cannot_be(stepper):
    stepper.button("Bước tiếp").click()
    stepper.whole.get_by_label("k", exact=True).select_option("3")
    stepper.expect("Bấm Làm lại")
    field = stepper.whole.get_by_label("lr_D")
    field.fill("abc")
    field.press("Enter")
    stepper.expect("lr_D phải là một số dương")
    stepper.button("Làm lại").click()
    stepper.expect("vẫn y nguyên")
    stepper.expect_stop("1a", 1)
    field.fill("2e-4")
    field.press("Enter")
    stepper.whole.get_by_label("Nếu như").select_option("Quên detach")
    stepper.button("Làm lại").click()
    stepper.expect("Hỏi cả lớp.")
    stepper.expect("lr_D = 0.0002")
    stepper.expect("Huấn luyện D: k = 3 bước")
    assert stepper.lab.errors() == []


def test_run_again_and_restarted(stepper):
    lab = stepper.lab
    stepper.button("Chạy 100 vòng").click()
    lab.command(RUN_ALL)  # while the old panel runs
    stepper.expect("Sẵn sàng.")
    stepper.button("Chạy 100 vòng").click()
    lab.page.evaluate(f"{KERNEL}.restart()")  # while it runs
    stepper.button("Bước tiếp").click()  # in vain: its kernel is gone, which ipywidgets says in the console
    lab.faults.clear()
    lab.command(RUN_ALL)
    stepper.expect("Sẵn sàng.")
    stepper.button("Bước tiếp").click()
    stepper.expect_stop("1a", 1)
    assert lab.errors() == []


def test_the_saved_notebook_shows_a_picture(stepper):
    lab = stepper.lab
    lab.reopen()
    pictures = lab.page.locator(".jp-OutputArea img")
    expect(pictures).to_have_count(2)
    for picture in pictures.all():
        assert picture.get_attribute("alt").startswith("Bảng bước từng dòng, dừng ở 2e")
        assert picture.bounding_box()["height"] > 300  # beside the file browser
    expect(lab.page.locator(".jupyter-widgets")).to_have_count(0)
