"""The panels as a class sees and clicks them, in a real browser: JupyterLab, Notebook 7, pages that were exported."""

import re
import subprocess
import sys
from contextlib import suppress

import pytest
from conftest import KERNEL

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


class Panel:
    """Where the parts of a panel of that name are in the page."""

    def __init__(self, lab, name, number=0):
        self.lab, self.page = lab, lab.page
        self.whole = self.page.locator(f".ganlib-{name}").nth(number)
        self.pictures = self.whole.locator("img.widget-image")
        self.slider = self.whole.locator(".noUi-handle").first
        self.lit, self.says = self.whole.locator("[aria-current=step]"), self.whole.locator(".gs-says")

    def button(self, words):
        return self.whole.locator("button", has_text=words)  # an icon would be part of the role's name

    def play(self):
        """Click Jupyter's play or pause button."""
        self.whole.locator(".widget-play button").first.click()

    def arrow(self, side):
        """Move the first slider by a key: Notebook 7 takes arrows for its headings, but not with Shift."""
        self.slider.press("Shift+" * (self.lab.app == "notebook") + f"Arrow{side}")

    def expect(self, words):
        expect(self.whole).to_contain_text(re.compile(words))

    def stays(self, words):
        """It is paused: the number that these words have in brackets soon stays the same."""
        before, now = "", None
        for _ in range(30):  # what was under way on a busy machine comes first
            before, now = now, re.search(words, self.whole.inner_text())[1]
            if before == now:
                return
            self.page.wait_for_timeout(2000)
        raise AssertionError(f"it goes on: {now}")

    def stands(self, iteration, line, *says):
        """Wait until the stepper stands there."""
        expect(self.whole.locator(".gs-top")).to_contain_text(re.compile(rf"vòng lặp {iteration} ·"))
        expect(self.lit).to_contain_text(line)
        for words in says:
            expect(self.says).to_contain_text(words)

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
    assert lab.errors() == []
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
    film.play()
    film.expect(r"Vòng lặp \d{2,3}/1000: .*")
    film.play()
    film.stays(r"Vòng lặp (\d+)/")
    check_saved(lab, "Những ảnh mà G vẽ từ cùng 10 vector nhiễu")


def test_the_playground(lab):
    game = open_panel(lab, "playground", "playground()")
    game.expect(r"Vòng lặp 0\.")
    game.check_looks(1110, 592)
    game.button("D đi một bước").click()
    game.expect("D đã đi 1/1 bước")
    game.button("G đi một bước").press("Enter")
    game.expect(r"Vòng lặp 1\.")
    game.play()
    game.whole.get_by_label("loss của G").select_option("log(1 − D(G(z)))")  # takes effect while it runs
    game.expect(r"Vòng lặp \d{2}")
    game.play()
    game.stays(r"Vòng lặp (\d+)\.")
    game.whole.get_by_label("dữ liệu").select_option("lưới 25 đốm")
    game.expect("/25 đốm")
    game.expect(r"Vòng lặp 0\.")
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


@pytest.fixture
def stepper(lab):
    """The first of two panels, of a function with more lines than ganlib's."""
    panel = open_panel(lab, "stepper", OWN, "stepper(update_D, data=few)", COLOUR)
    expect(lab.page.locator(".ganlib-stepper")).to_have_count(2)
    return panel


def test_an_iteration_line_by_line_and_back(stepper):
    own = Panel(stepper.lab, "stepper", 1)
    expect(stepper.says).to_contain_text("Sẵn sàng")
    for number in range(1, 23):
        stepper.button("Dòng tiếp").click()
        expect(stepper.slider).to_have_attribute("aria-valuenow", f"{number}.0")
        assert stepper.whole.evaluate(CUT_OFF) == []
    stepper.stands(1, "yield loss_of_D, loss_of_G", "Bước 6: xong vòng lặp 1")
    stepper.check_looks(1280, 640)
    stepper.button("Lùi một dòng").click()
    stepper.stands(1, "loss_of_G = update_G(D, G, z, optimizer_G)", "Cả lượt: θd dịch đi 0, θg dịch đi")
    stepper.button("Hết nửa vòng").press("Enter")
    stepper.stands(1, "yield")
    stepper.button("Hết vòng").press("Space")
    stepper.stands(2, "yield")
    stepper.slider.press("Home")
    stepper.stands(2, "for _ in range(k)")
    stepper.play()
    stepper.expect("vòng lặp [4-9] ·")
    stepper.play()
    expect(own.says).to_contain_text("Sẵn sàng")  # the other one stands where it stood
    own.button("Hết vòng").click()
    own.stands(1, "yield")
    assert own.whole.locator(".gs-side img").count() == 4
    assert stepper.lab.errors() == []


@only_lab
def test_what_if_and_letters_that_grow(stepper):
    menu = stepper.whole.get_by_label("Tình huống")
    menu.select_option("Quên detach")
    expect(stepper.whole.locator(".gs-row.old")).to_contain_text("fake = G(z).detach()")
    expect(stepper.whole.locator(".gs-row.new")).to_contain_text("fake = G(z)")
    stepper.button("Hết nửa vòng").click()
    stepper.stands(1, "for _ in range(k)")
    menu.select_option("Thuật toán 1, code để nguyên")
    expect(stepper.says).to_contain_text("Sẵn sàng")
    size = "panel => parseFloat(getComputedStyle(panel.querySelector('.gs-row code')).fontSize)"
    before = stepper.whole.evaluate(size)
    stepper.lab.command("application:toggle-presentation-mode")
    stepper.page.wait_for_timeout(1000)
    assert stepper.whole.evaluate(size) > 1.1 * before
    assert stepper.lab.errors() == []


@only_lab
def test_an_edited_cell_run_again_and_a_function_that_never_returns(lab):
    hangs = "    while len(steps) > 1: pass\n    steps.append(1)\n    loss.backward()"
    loop = OWN.replace("    loss.backward()", hangs)
    shown = open_panel(lab, "stepper", "steps = []" + loop, "stepper(update_D, data=few, m=10)")
    shown.button("Hết vòng").click()
    shown.stands(1, "yield")
    shown.button("Hết vòng").click()
    lab.page.wait_for_function(f"{KERNEL}.status === 'busy'")
    lab.page.wait_for_timeout(8000)
    lab.command("kernelmenu:interrupt")
    shown.stands(2, "while len(steps) > 1: pass", "KeyboardInterrupt", "Bạn đã ngắt hàm")
    lab.page.evaluate(f"{KERNEL}.restart()")
    lab.faults.clear()  # ipywidgets says in the console that the old panel's kernel is gone
    lab.command(RUN_ALL)
    expect(shown.says).to_contain_text("Sẵn sàng")
    assert lab.errors() == []


@only_lab
def test_the_page_that_readme_exports_shows_its_pictures_and_steps_without_a_network_on_a_phone(lab, tmp_path):
    """`jupyter nbconvert --execute` keeps the widgets' state, for which an offline page has no script."""
    path, page = lab.write("export.ipynb", SETUP, "replay(frames)", WALK, "stepper(data=few, m=10)"), lab.page
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", "--output-dir", str(tmp_path)]
    subprocess.run([*command, str(path)], check=True, capture_output=True)
    assert (tmp_path / "export.html").stat().st_size < 2_000_000
    page.route("http*://**", lambda route: route.abort())  # no network
    page.goto((tmp_path / "export.html").as_uri())
    expect(page.locator("img[width]")).to_have_count(3)
    for picture in page.locator("img[width]").all():
        assert picture.bounding_box()["height"] > 60 and picture.get_attribute("alt")
    page.set_viewport_size({"width": 390, "height": 844})
    film = page.locator("details.gs-recorded")
    film.locator("summary").click()
    expect(film.locator("output")).to_have_text("0 / 21")
    for _ in range(22):
        film.locator("button", has_text="Dòng tiếp").click()
    expect(film.locator("output")).to_have_text("21 / 21")
    expect(film.locator("[aria-current=step]")).to_contain_text("yield loss_of_D, loss_of_G")
    film.locator("input").press("Home")
    film.locator("input").press("ArrowRight")
    expect(film.locator("[aria-current=step]")).to_contain_text("batches = ")
    assert film.evaluate("one => one.scrollWidth <= one.clientWidth + 1") and lab.faults == []
