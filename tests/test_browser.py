"""Replay, playground and walk as a class sees and clicks them, in a real browser: JupyterLab and Notebook 7."""

import re
import subprocess
import sys
from contextlib import suppress

import pytest

with suppress(ModuleNotFoundError):  # the fixture `lab` says that it is missing: a skip, and in CI a failure
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)  # the machine may be busy

pytestmark = pytest.mark.slow
only_lab = pytest.mark.parametrize("lab", ["jupyterlab"], indirect=True)  # Notebook 7 does it alike

RUN_ALL = "notebook:run-all-cells"
SETUP = """
import torch
torch.set_num_threads(1)
from ganlib import data
from ganlib.networks import Generator
from ganlib.training import Frame
from ganlib.widgets import playground, replay, stepper, walk

noise = torch.randint(0, 256, (20, 36, 1, 28, 28), dtype=torch.uint8)
frames = [Frame(50 * i + 50, 1.3, 0.7 + i / 50, 0.6, 0.4, images) for i, images in enumerate(noise)]
few = data.Images("mnist", noise.flatten(0, 2), torch.zeros(720))
straight = lambda a, b, t: (1 - t) * a + t * b
"""
WALK = "walk(Generator(), torch.randn(10, 100), [f'số {i}' for i in range(10)], straight)"


class Panel:
    """Where the parts of a panel of that name are in the page."""

    def __init__(self, lab, name, number=0):
        self.lab, self.page = lab, lab.page
        self.whole = self.page.locator(f".ganlib-{name}").nth(number)
        self.pictures = self.whole.locator("img.widget-image")
        self.slider = self.whole.locator(".noUi-handle").first

    def button(self, words):
        return self.whole.locator("button", has_text=words)  # an icon would be part of the role's name

    def play(self, number=0):
        """Jupyter's play button; with 1: its stop."""
        return self.whole.locator(".widget-play button").nth(number)

    def arrow(self, side):
        """Move the first slider by a key: Notebook 7 takes arrows for its headings, but not with Shift."""
        self.slider.press("Shift+" * (self.lab.app == "notebook") + f"Arrow{side}")

    def expect(self, words):
        expect(self.whole).to_contain_text(re.compile(words))

    def number(self, words):
        return int(re.search(words, self.whole.inner_text())[1])

    def sources(self):
        return [picture.get_attribute("src") for picture in self.pictures.all()]

    def check_looks(self, width, height):
        """It fits there, nothing is cut off, and it stands alone: the picture for exported pages is hidden."""
        box = self.whole.bounding_box()
        assert 700 < box["width"] <= width and box["x"] + box["width"] < 1280 and 200 < box["height"] < height
        assert self.whole.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
        stills = self.page.locator(".jp-OutputArea img[width]")
        assert stills.count() >= 1 and not any(one.is_visible() for one in stills.all())


def open_panel(lab, name, *sources):
    """The first panel of that name in a notebook of these cells, on a screen without the file browser."""
    lab.open(lab.write("panel.ipynb", SETUP, *sources))
    lab.hide_files()
    lab.command(RUN_ALL)
    expect(lab.page.locator(f".ganlib-{name}").first).to_be_visible()
    assert lab.errors() == []
    return Panel(lab, name)


def check_saved(lab, alt):
    """The notebook as it is committed: a picture, a line above it, no widget."""
    lab.reopen()
    expect(lab.page.locator(".jp-OutputArea img[width]")).to_be_visible()
    expect(lab.page.locator(".jp-OutputArea em").first).to_contain_text(alt)
    expect(lab.page.locator(".jupyter-widgets")).to_have_count(0)


def test_the_film(lab):
    film = open_panel(lab, "replay", "replay(frames)")
    film.expect("Vòng lặp 50/1000: loss_D = 1.30, loss_G = 0.70, D")
    film.check_looks(1090, 592)
    before = film.sources()
    film.slider.press("End")
    film.expect("Vòng lặp 1000/1000")
    film.arrow("Left")
    film.expect("Vòng lặp 950/1000")
    assert not set(before) & set(film.sources())
    film.play().click()
    film.expect(r"Vòng lặp \d{2,3}/1000: .*")
    film.play().click()
    film.page.wait_for_timeout(1500)
    paused = film.number(r"Vòng lặp (\d+)/")
    film.page.wait_for_timeout(1500)
    assert film.number(r"Vòng lặp (\d+)/") == paused
    assert lab.errors() == []
    check_saved(lab, "Những ảnh mà G vẽ từ cùng 36 vector nhiễu")


def test_the_playground(lab):
    game = open_panel(lab, "playground", "playground()")
    game.expect(r"Vòng lặp 0\.")
    game.check_looks(1110, 592)
    game.button("D đi một bước").click()
    game.expect("D đã đi 1/1 bước")
    game.button("G đi một bước").press("Enter")
    game.expect(r"Vòng lặp 1\.")
    game.play().click()
    game.whole.get_by_label("loss của G").select_option("log(1 − D(G(z)))")  # takes effect while it runs
    game.expect(r"Vòng lặp \d{2}")
    game.play().click()
    game.page.wait_for_timeout(1500)
    stopped = game.number(r"Vòng lặp (\d+)\.")
    game.page.wait_for_timeout(1500)
    assert game.number(r"Vòng lặp (\d+)\.") == stopped
    game.whole.get_by_label("dữ liệu").select_option("lưới 25 đốm")
    game.expect("/25 đốm")
    game.expect(r"Vòng lặp 0\.")
    assert lab.errors() == []
    check_saved(lab, "Sân chơi sau 300 vòng lặp")


@only_lab
def test_walk(lab):
    walk = open_panel(lab, "walk", WALK)
    walk.expect(r"t = 0\.00")
    walk.check_looks(1280, 400)
    for choose, words in (
        (lambda: walk.arrow("Right"), r"t = 0\.05"),
        (lambda: walk.whole.get_by_label("Đi từ").select_option("số 3"), r"t = 0\.05"),
        (lambda: walk.whole.get_by_label("đến", exact=True).select_option("số 7"), r"t = 0\.05"),
    ):
        here, _ = walk.sources()
        choose()
        walk.expect(words)
        expect(walk.pictures.first).not_to_have_attribute("src", here)
    assert lab.errors() == []
    check_saved(lab, "Mười một ảnh trên đường đi từ số 0 đến số 9")


CONTROLS = "button, select, input, .noUi-handle, [contenteditable=true]"
INSIDE = f"panel => panel.contains(document.activeElement) && document.activeElement.matches('{CONTROLS}')"
SEEN = """() => {
    const one = document.activeElement, look = getComputedStyle(one);
    const ring = look.outlineStyle != 'none' || look.boxShadow != 'none' || one.matches('select, input');
    return one.matches(':focus-visible') && ring ? one.innerText.split('\\n')[0] || one.tagName : 'HIDDEN';
}"""


@only_lab
def test_the_keyboard_reaches_every_control_and_shows_where_it_is(lab):
    open_panel(lab, "stepper", "replay(frames)", "playground()", "stepper(data=few, m=10)")
    for name in ("replay", "playground", "stepper"):
        panel = Panel(lab, name)
        every = panel.whole.locator(CONTROLS).filter(visible=True).count()
        panel.whole.locator("button").first.focus()
        reached = []
        while panel.whole.evaluate(INSIDE):
            lab.page.keyboard.press("Shift+Tab")  # there and back: focus by a key, which browsers show
            lab.page.keyboard.press("Tab")
            reached.append(lab.page.evaluate(SEEN))
            lab.page.keyboard.press("Tab")
        assert len(reached) == every > 1 and "HIDDEN" not in reached, reached
    assert lab.errors() == []


@only_lab
def test_the_page_that_readme_exports_shows_its_pictures_without_a_network(lab, tmp_path):
    """`jupyter nbconvert --execute` keeps the widgets' state, for which an offline page has no script."""
    path = lab.write("export.ipynb", SETUP, "replay(frames)", WALK, "stepper(data=few, m=10)")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", "--output-dir", str(tmp_path)]
    subprocess.run([*command, str(path)], check=True, capture_output=True)
    page = lab.page
    page.route("http*://**", lambda route: route.abort())  # no network
    page.goto((tmp_path / "export.html").as_uri())
    pictures = page.locator("img[width]")
    expect(pictures).to_have_count(3)
    for picture in pictures.all():
        assert picture.bounding_box()["height"] > 60 and picture.get_attribute("alt")
    page.locator("details.gs-recorded summary").click()
    page.locator("details.gs-recorded button", has_text="Dòng tiếp").click()
    expect(page.locator("[aria-current=step]")).to_contain_text("batches = ")
