"""Every panel but the stepper as a class sees and clicks it, in a real browser: JupyterLab and Notebook 7."""

import re

import pytest
from conftest import KERNEL
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
only_lab = pytest.mark.parametrize("lab", ["jupyterlab"], indirect=True)  # Notebook 7 does it alike

expect.set_options(timeout=30_000)  # the machine may be busy
RUN_ALL = "notebook:run-all-cells"
THREADS = "import torch; torch.set_num_threads(1)"
DIRAC = """
from ganlib.widgets import dirac

def alternating(theta, psi, eta):
    psi = psi - eta * theta
    return theta + eta * psi, psi

dirac({"lần lượt": alternating, "đứng yên": lambda theta, psi, eta: (theta, psi)})
"""
WALK = """
import torch
from ganlib.networks import Generator
from ganlib.widgets import walk

torch.manual_seed(0)
paths = {"thẳng": lambda a, b, t: (1 - t) * a + t * b, "cầu": lambda a, b, t: a if t < 1 else b}
walk(Generator().eval(), torch.randn(10, 100), [f"số {i}" for i in range(10)], paths)
"""


class Panel:
    """Where the parts of a panel of that name are in the page."""

    def __init__(self, lab, name, number=0):
        self.lab, self.page = lab, lab.page
        self.whole = self.page.locator(f".ganlib-{name}").nth(number)
        self.pictures = self.whole.locator("img.widget-image")
        self.slider = self.whole.locator(".noUi-handle").first

    def button(self, words):
        return self.whole.locator("button", has_text=words)  # an icon would be part of the role's name

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
        """It fits there, nothing is cut off, and it stands alone: no static picture or line beside it."""
        box = self.whole.bounding_box()
        assert 700 < box["width"] <= width and box["x"] + box["width"] < 1280 and 200 < box["height"] < height
        assert self.whole.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
        assert self.page.locator(".jp-OutputArea img[width], .jp-OutputArea em").count() == 0


@pytest.fixture
def replay(lab, make_record):
    """The panel of a film of 100 epochs, in a notebook that also shows one of a single epoch."""
    make_record(100).save(lab.root / "film.safetensors")
    make_record(1).save(lab.root / "one.safetensors")
    setup = "from ganlib import record\nfrom ganlib.widgets import replay"
    cells = [f"replay(record.load('{name}.safetensors'))" for name in ("film", "one")]
    lab.open(lab.write("replay.ipynb", setup, *cells))
    lab.command(RUN_ALL)
    assert lab.errors() == []
    return Panel(lab, "replay")


def open_panel(lab, name, *sources):
    """The first panel of that name in a notebook of these cells, on a screen without the file browser."""
    lab.open(lab.write("panel.ipynb", THREADS, *sources))
    lab.hide_files()
    lab.command(RUN_ALL)
    assert lab.errors() == []
    return Panel(lab, name)


@pytest.fixture
def playground(lab):
    return open_panel(lab, "playground", "from ganlib.widgets import playground\nplayground()")


def restart(panel, begin, at_first):
    """Restart the kernel while the panel runs, and run the cells: a new panel, ready to begin."""
    begin()
    panel.page.evaluate(f"{KERNEL}.restart()")
    panel.lab.faults.clear()  # ipywidgets says in the console that the old panel's kernel is gone
    panel.lab.command(RUN_ALL)
    panel.expect(at_first)


def check_saved(lab, alts, height):
    """The notebook as it is committed: pictures of that height, a line under each, no widget."""
    lab.reopen()
    pictures = lab.page.locator(".jp-OutputArea img")
    lines = lab.page.locator(".jp-OutputArea em")
    expect(pictures).to_have_count(len(alts))
    expect(lines).to_have_count(len(alts))
    for picture, line, alt in zip(pictures.all(), lines.all(), alts, strict=True):
        assert picture.bounding_box()["height"] > height  # beside the file browser
        expect(line).to_contain_text(alt)
    expect(lab.page.locator(".jupyter-widgets")).to_have_count(0)


# --- replay ---


def test_the_film_fits_a_projector_and_its_slider_moves_it(replay):
    replay.expect("Epoch 1/100")
    for _ in "with the file browser", "without":
        replay.check_looks(1080, 590)
        replay.lab.hide_files()
    grid, curves = (picture.bounding_box() for picture in replay.pictures.all())
    assert grid["x"] + grid["width"] <= curves["x"] and grid["height"] > 250
    before = replay.sources()
    replay.slider.press("End")
    replay.expect("Epoch 100/100")
    replay.arrow("Left")
    replay.expect("Epoch 99/100")
    assert not set(before) & set(replay.sources())
    assert replay.lab.errors() == []


@only_lab
def test_the_film_plays_pauses_and_ends(replay):
    replay.slider.press("End")
    for _ in range(4):
        replay.arrow("Left")
    replay.expect("Epoch 96/100")
    replay.button("Phát").click()
    expect(replay.button("Tạm dừng")).to_be_visible()
    replay.expect("Epoch 100/100")
    expect(replay.button("Phát")).to_be_visible()
    replay.button("Phát").press("Space")  # again, from the first epoch
    replay.button("Tạm dừng").press("Space")
    expect(replay.button("Phát")).to_be_visible()
    paused = replay.number(r"Epoch (\d+)/100")
    assert paused < 100
    replay.page.wait_for_timeout(500)
    assert replay.number(r"Epoch (\d+)/100") == paused

    replay.button("Phát").click()
    rail = replay.whole.locator(".noUi-base").bounding_box()
    replay.page.mouse.click(rail["x"] + 0.7 * rail["width"], rail["y"] + rail["height"] / 2)
    expect(replay.button("Phát")).to_be_visible()  # a hand on the slider stops the film there
    replay.page.wait_for_timeout(300)
    replay.expect("Epoch (69|70|71)/")
    assert replay.lab.errors() == []


@only_lab
def test_the_film_after_a_restart_and_saved(replay):
    restart(replay, lambda: replay.button("Phát").click(), "Epoch 1/100")
    replay.button("Phát").click()
    replay.expect(r"Epoch \d\d/100")
    assert replay.lab.errors() == []
    check_saved(replay.lab, ["Sau epoch 100: 36 ảnh", "Sau epoch 1: 36 ảnh"], 250)


# --- playground ---


def test_the_playground_steps_runs_and_stops(playground):
    playground.expect(r"Vòng lặp 0\.")
    playground.check_looks(1100, 590)
    playground.button("D đi một bước").click()
    playground.expect("D đã đi 1/1 bước")
    playground.button("G đi một bước").press("Enter")
    playground.expect(r"Vòng lặp 1\.")
    playground.button("Chạy").click()
    playground.expect(r"Vòng lặp \d{3}")
    playground.button("Dừng").click()
    expect(playground.button("Chạy")).to_be_visible()
    stopped = playground.number(r"Vòng lặp (\d+)\.")
    playground.page.wait_for_timeout(500)
    assert playground.number(r"Vòng lặp (\d+)\.") == stopped
    assert playground.lab.errors() == []


@only_lab
def test_choices_take_effect_while_the_playground_runs(playground):
    playground.button("Chạy").click()
    playground.whole.get_by_label("loss của G").select_option("log(1 − D(G(z)))")
    playground.arrow("Right")  # k
    playground.button("Dừng").click()
    playground.button("D đi một bước").click()
    playground.expect("/2 bước")
    playground.whole.get_by_label("dữ liệu").select_option("lưới 25 đốm")
    playground.expect("/25 mode")
    playground.expect(r"Vòng lặp 0\.")
    assert playground.lab.errors() == []


@only_lab
def test_the_playground_after_a_restart_and_saved(playground):
    restart(playground, lambda: playground.button("Chạy").click(), r"Vòng lặp 0\.")
    playground.button("Một vòng lặp").click()
    playground.expect(r"Vòng lặp 1\.")
    assert playground.lab.errors() == []
    check_saved(playground.lab, ["Sân chơi sau 300 vòng lặp"], 250)


# --- the smallest GAN ---


@only_lab
def test_the_smallest_gan_steps_runs_and_begins_anew(lab):
    smallest = open_panel(lab, "dirac", DIRAC)
    smallest.expect(r"Bước 0\. θ = 1\.00, ψ = 0\.00")
    smallest.check_looks(1100, 590)
    before = smallest.sources()
    smallest.button("Một bước").press("Enter")
    smallest.expect(r"Bước 1\. θ = 0\.96, ψ = -0\.20")
    assert before != smallest.sources()
    smallest.button("Chạy").click()
    smallest.expect(r"Bước \d\d")
    smallest.button("Dừng").click()
    expect(smallest.button("Chạy")).to_be_visible()
    smallest.arrow("Right")  # η
    smallest.expect(r"Bước 0\.")
    smallest.whole.get_by_label("luật").select_option("đứng yên")
    smallest.button("Một bước").click()
    smallest.expect(r"Bước 1\. θ = 1\.00, ψ = 0\.00")
    assert lab.errors() == []
    check_saved(lab, ["Luật “lần lượt”. Bước 150."], 250)


# --- all of them ---

CONTROLS = "button, select, input, .noUi-handle, [contenteditable=true]"
PANELS = """
from ganlib import record
from ganlib.widgets import dirac, playground, replay, stepper
replay(record.load("film.safetensors"))
playground()
dirac({"đứng yên": lambda theta, psi, eta: (theta, psi)})
stepper(m=10)
"""
INSIDE = f"panel => panel.contains(document.activeElement) && document.activeElement.matches('{CONTROLS}')"
SEEN = """() => {
    const one = document.activeElement, look = getComputedStyle(one);
    const ring = look.outlineStyle != 'none' || look.boxShadow != 'none' || one.matches('select, input');
    return one.matches(':focus-visible') && ring ? one.innerText.split('\\n')[0] || one.tagName : 'HIDDEN';
}"""


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(lab, make_record):
    make_record(9).save(lab.root / "film.safetensors")
    open_panel(lab, "replay", PANELS)
    for name in ("replay", "playground", "dirac", "stepper"):
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


# --- walk ---


def test_walk(lab):
    walk = open_panel(lab, "walk", WALK)
    walk.expect(r"t = 0\.00")
    walk.check_looks(1280, 400)
    for choose, words in (
        (lambda: walk.arrow("Right"), r"t = 0\.05"),
        (lambda: walk.whole.get_by_label("Đi từ").select_option("số 3"), r"t = 0\.05"),
        (lambda: walk.whole.get_by_label("đến", exact=True).select_option("số 7"), r"t = 0\.05"),
        (lambda: walk.whole.get_by_label("theo đường").select_option("cầu"), "Cả đường cầu"),
    ):
        here, _ = walk.sources()
        choose()
        walk.expect(words)
        expect(walk.pictures.first).not_to_have_attribute("src", here)
    assert lab.errors() == []
    check_saved(lab, ["Mười một ảnh trên đường đi từ số 0 đến số 9"], 100)
