"""The walk's panel as a class sees and uses it, in JupyterLab in a real browser."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

expect.set_options(timeout=30_000)  # the machine may be busy
CELL = """
import torch
from ganlib.networks import Generator
from ganlib.walk import walk

torch.manual_seed(0)
paths = {"thẳng": lambda a, b, t: (1 - t) * a + t * b, "cầu": lambda a, b, t: a if t < 1 else b}
walk(Generator().eval(), torch.randn(10, 100), [f"số {i}" for i in range(10)], paths)
"""
SOURCES = "panel => [...panel.querySelectorAll('img')].map(image => image.src)"


def test_walk(lab, tmp_path):
    lab.open(lab.write("07.ipynb", CELL))
    lab.command("application:toggle-left-area")
    lab.command("notebook:run-all-cells")
    panel = lab.page.locator(".ganlib-walk")
    expect(panel).to_contain_text("t = 0.00")
    expect(panel.locator("img")).to_have_count(2)
    panel.screenshot(path=tmp_path / "walk.png")

    def after(action, words):
        """Do it, wait for the words and for other pictures."""
        before = panel.evaluate(SOURCES)
        action()
        expect(panel).to_contain_text(words)
        lab.page.wait_for_function(
            f"before => JSON.stringify(({SOURCES})(document.querySelector('.ganlib-walk'))) !== before",
            arg=str(before).replace("'", '"').replace(", ", ","),
        )

    handle = panel.locator(".noUi-handle")
    after(lambda: handle.press("ArrowRight"), "t = 0.05")
    after(lambda: panel.get_by_label("Đi từ").select_option("số 3"), "t = 0.05")
    after(lambda: panel.get_by_label("đến", exact=True).select_option("số 7"), "t = 0.05")
    after(lambda: panel.get_by_label("theo đường").select_option("cầu"), "Cả đường cầu")
    box = panel.bounding_box()
    assert box["width"] <= 1000 and box["height"] < 400
    assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
    assert lab.page.locator(".jp-OutputArea img[width]").count() == 0  # no static picture beside it
    assert lab.errors() == []
