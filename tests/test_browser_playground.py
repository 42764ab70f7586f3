"""The playground as a reader plays with it, in JupyterLab in a real browser."""

import re

import pytest
from conftest import KERNEL
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

expect.set_options(timeout=30_000)  # the machine may be busy
RUN_ALL = "notebook:run-all-cells"
COUNT_FRAMES = """image => {
    window.frames_seen = [];
    new MutationObserver(() => window.frames_seen.push(performance.now())).observe(image, {attributes: true});
}"""


@pytest.fixture
def playground(lab):
    """A playground in a notebook, on a screen without the file browser."""
    setup = "import torch; torch.set_num_threads(1); from ganlib.playground_panel import playground"
    lab.open(lab.write("06.ipynb", setup, "playground()"))
    lab.command("application:toggle-left-area")
    lab.command(RUN_ALL)
    assert lab.errors() == []
    return Panel(lab)


class Panel:
    def __init__(self, lab):
        self.lab, self.page = lab, lab.page
        self.whole = self.page.locator(".ganlib-playground")
        self.picture = self.whole.locator("img")

    def button(self, words):
        return self.whole.locator("button", has_text=words)

    def expect(self, words):
        expect(self.whole).to_contain_text(words)

    def iteration(self):
        return int(re.search(r"Vòng lặp (\d+)\.", self.whole.inner_text())[1])


def test_step_run_stop(playground, tmp_path):
    playground.expect("Vòng lặp 0.")
    box = playground.whole.bounding_box()
    assert box["width"] > 1000 and box["x"] + box["width"] < 1280 and box["height"] < 590
    assert playground.whole.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
    playground.button("D đi một bước").click()
    playground.expect("D đã đi 1/1 bước")
    playground.button("G đi một bước").press("Enter")
    playground.expect("Vòng lặp 1.")
    playground.picture.evaluate(COUNT_FRAMES)
    playground.button("Chạy").click()
    playground.expect(re.compile(r"Vòng lặp \d{3}"))
    playground.whole.screenshot(path=tmp_path / "running.png")
    playground.button("Dừng").click()
    expect(playground.button("Chạy")).to_be_visible()
    stopped, times = playground.iteration(), playground.page.evaluate("window.frames_seen")
    rate = (len(times) - 1) / (times[-1] - times[0]) * 1000
    print(f"\n{len(times)} pictures reached the page, {rate:.1f} a second")
    assert len(times) > 3  # the rate is only told: it depends on what else the machine does
    playground.page.wait_for_timeout(500)
    assert playground.iteration() == stopped
    assert playground.lab.errors() == []


def test_choices_take_effect_while_it_runs(playground):
    playground.button("Chạy").click()
    playground.whole.get_by_label("loss của G").select_option("log(1 − D(G(z)))")
    handle = playground.whole.locator(".widget-slider .noUi-handle").first  # k
    handle.focus()
    handle.press("ArrowRight")
    playground.button("Dừng").click()
    playground.button("D đi một bước").click()
    playground.expect("/2 bước")
    playground.whole.get_by_label("dữ liệu").select_option("lưới 25 đốm")
    playground.expect("/25 mode")
    playground.expect("Vòng lặp 0.")
    assert playground.lab.errors() == []


def test_run_again_and_restarted(playground):
    lab = playground.lab
    playground.button("Chạy").click()
    lab.command(RUN_ALL)  # while the old panel runs
    playground.expect("Vòng lặp 0.")
    playground.button("Chạy").click()
    lab.page.evaluate(f"{KERNEL}.restart()")  # while it runs
    lab.faults.clear()
    lab.command(RUN_ALL)
    playground.expect("Vòng lặp 0.")
    playground.button("Một vòng lặp").click()
    playground.expect("Vòng lặp 1.")


def test_the_saved_notebook_shows_a_picture(playground):
    lab = playground.lab
    lab.reopen()
    picture = lab.page.locator(".jp-OutputArea img")
    expect(picture).to_have_count(1)
    assert picture.get_attribute("alt").startswith("Sân chơi sau 300 vòng lặp")
    assert picture.bounding_box()["height"] > 250  # beside the file browser
    expect(lab.page.locator(".jupyter-widgets")).to_have_count(0)
