"""What a class sees and clicks, in JupyterLab in a real browser."""

import re

import pytest
from conftest import KERNEL
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

expect.set_options(timeout=30_000)  # the machine may be busy
RUN_ALL = "notebook:run-all-cells"
COUNT_FRAMES = """image => {
    window.frames = [];
    image.addEventListener('load', () => window.frames.push(performance.now()));
}"""


@pytest.fixture
def replay(lab, make_record):
    """The panel of a film of 100 epochs, in a notebook that also shows one of a single epoch."""
    make_record(100).save(lab.root / "film.safetensors")
    make_record(1).save(lab.root / "one.safetensors")
    path = lab.write(
        "replay.ipynb",
        "from ganlib.panels import replay\nfrom ganlib.record import Record",
        "replay(Record.load('film.safetensors'))",
        "replay(Record.load('one.safetensors'))",
    )
    lab.open(path)
    lab.command(RUN_ALL)
    assert lab.errors() == []
    expect(lab.page.locator(".ganlib-replay")).to_have_count(2)
    return Panel(lab)


class Panel:
    """Where the parts of the first panel are in the page."""

    def __init__(self, lab):
        self.lab, self.page = lab, lab.page
        self.whole = self.page.locator(".ganlib-replay").first
        self.grid = self.whole.locator("img.widget-image")
        self.slider = self.whole.get_by_role("slider")
        self.button = self.whole.get_by_role("button")

    def expect_epoch(self, epoch):
        expect(self.whole).to_contain_text(re.compile(f"Epoch {epoch}/100"))

    def epoch(self):
        return int(re.search(r"Epoch (\d+)/100", self.whole.inner_text())[1])

    def point(self, share):
        """Where that share of the slider's rail is in the page."""
        rail = self.whole.locator(".noUi-base").bounding_box()
        return rail["x"] + share * rail["width"], rail["y"] + rail["height"] / 2


def test_the_panel_fits_a_projector_and_stands_alone(replay):
    replay.expect_epoch(1)
    for _ in "with the file browser", "without":
        box = replay.whole.bounding_box()
        assert 700 < box["width"] and box["x"] + box["width"] < 1280 and 300 < box["height"] < 590
        assert replay.whole.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
        replay.lab.command("application:toggle-left-area")
    grid, curves = replay.grid.bounding_box(), replay.whole.locator("img[alt]").bounding_box()
    marker = replay.whole.locator("svg").bounding_box()
    assert marker == pytest.approx(curves, abs=1)
    assert grid["x"] + grid["width"] <= curves["x"]
    assert replay.page.locator(".jp-OutputArea img[width]").count() == 0  # no static picture beside it


def test_the_slider_moves_the_picture(replay):
    before = replay.grid.get_attribute("src")
    replay.slider.focus()
    replay.page.keyboard.press("End")
    replay.expect_epoch(100)
    replay.page.keyboard.press("ArrowLeft")
    replay.expect_epoch(99)
    assert replay.grid.get_attribute("src") != before
    mouse = replay.page.mouse
    mouse.move(*replay.point(0.99))
    mouse.down()
    mouse.move(*replay.point(0.5), steps=10)
    replay.expect_epoch("(49|50|51)")  # before the hand lets go
    mouse.up()
    replay.expect_epoch("(49|50|51)")
    assert replay.lab.errors() == []


def test_the_film_plays_pauses_and_ends(replay):
    expect(replay.button).to_have_text("Phát")
    replay.grid.evaluate(COUNT_FRAMES)
    replay.button.click()
    expect(replay.button).to_have_text("Tạm dừng")
    replay.expect_epoch(100)
    expect(replay.button).to_have_text("Phát")
    times = replay.page.evaluate("window.frames")
    rate = (len(times) - 1) / (times[-1] - times[0]) * 1000
    print(f"\n{len(times)} frames reached the page, {rate:.1f} a second")
    assert len(times) > 50 and rate > 5  # 20 on a quiet machine

    replay.button.press("Space")  # again, from the first epoch
    expect(replay.button).to_have_text("Tạm dừng")
    replay.button.press("Space")
    expect(replay.button).to_have_text("Phát")
    paused = replay.epoch()
    assert paused < 90
    replay.page.wait_for_timeout(500)
    assert replay.epoch() == paused

    replay.button.click()
    replay.page.mouse.click(*replay.point(0.7))  # a hand on the slider stops the film there
    expect(replay.button).to_have_text("Phát")
    replay.page.wait_for_timeout(300)
    replay.expect_epoch("(69|70|71)")
    assert replay.lab.errors() == []


def test_run_again_and_restarted(replay):
    lab = replay.lab
    replay.button.click()
    lab.command(RUN_ALL)  # while the film of the old panel plays
    replay.expect_epoch(1)
    replay.button.click()
    lab.page.evaluate(f"{KERNEL}.restart()")  # while the film plays
    replay.button.click()  # in vain: its kernel is gone, which ipywidgets says in the browser's console
    lab.faults.clear()
    lab.command(RUN_ALL)
    replay.expect_epoch(1)
    replay.button.click()
    replay.expect_epoch(100)
    assert lab.errors() == []


def test_the_saved_notebook_shows_pictures(replay):
    replay.lab.reopen()
    pictures = replay.page.locator(".jp-OutputArea img")
    expect(pictures).to_have_count(4)
    for picture, start in zip(pictures.all(), ("36 ảnh", "Đường cong") * 2, strict=True):
        assert picture.get_attribute("alt").startswith(start) and picture.bounding_box()["height"] > 300
    grid, curves = (picture.bounding_box() for picture in pictures.all()[:2])
    assert grid["x"] + grid["width"] <= curves["x"]  # side by side
    expect(replay.page.locator(".jupyter-widgets")).to_have_count(0)
