"""For readers who see little, no colours, or nothing: the palette's contrast, the names of all controls."""

import ipywidgets as widgets
import torch
from conftest import random_images

from ganlib import data, figures
from ganlib.networks import Generator
from ganlib.widgets.panels import Film, Playground, Replay, Walk
from ganlib.widgets.stepper import Panel as Stepper

WHITE, DARK = "#FFFFFF", "#111111"  # JupyterLab's two backgrounds
COLORS = figures.D_COLOR, figures.G_COLOR, figures.REAL_COLOR


def contrast(one, other):
    """Of two colours "#RRGGBB", as WCAG 2 defines it: 1 … 21."""

    def luminance(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_lines_and_large_letters_stand_out_and_small_letters_more():
    """WCAG 2 AA: 3 for lines and large letters; 4.5 for small ones, which are all in ink or grey."""
    for color in COLORS:
        assert min(contrast(color, back) for back in (WHITE, DARK, figures.LINE_COLOR)) >= 3
    assert min(contrast(figures.INK, back) for back in (WHITE, figures.LINE_COLOR)) >= 4.5
    assert contrast(figures.GREY, WHITE) >= 4.5
    shared = zip("D G x line".split(), (*COLORS, figures.LINE_COLOR), strict=True)
    style = (data.ASSETS / "stepper.html").read_text(encoding="utf-8")
    assert "; ".join(f"--{name}: {color}" for name, color in shared) in style


def test_the_numbers_of_curves_stand_in_words():
    """At most eleven points of each, folded under the picture; levels, points and bars have none there."""
    words = figures.numbers(figures.loss_curves([float(i) for i in range(1, 101)], [0.5] * 100))
    assert "loss_D: (1; 1), (11; 11), " in words and words.count(";") == 2 * 11 and "Số liệu" in words
    figure, (left, right) = figures.panels("<A>", "B")
    assert figures.numbers(figure) == ""
    left.plot([1, 2], [3, 4], label="a < b")
    right.bar([1, 2], [3, 4], label="bars")
    assert figures.numbers(figure).endswith("a &lt; b: (1; 3), (2; 4)</details>")


def controls(widget):
    """All buttons, menus, fields and sliders in it; Jupyter's Play names its own buttons."""
    if isinstance(widget, widgets.Box):
        return [one for child in widget.children for one in controls(child)]
    return [] if isinstance(widget, widgets.HTML | widgets.Image | widgets.Play) else [widget]


def test_every_control_says_what_it_is(make_record):
    """Words on it or beside it, each once in the panel; a button also tells what it does."""
    walk = Walk(Generator(hidden=(8,)), torch.randn(2, 100), list("ab"), lambda a, b, t: a)
    stepper = Stepper(data=random_images(), m=10)
    for panel, least in (Replay(Film(make_record(3))), 1), (Playground(), 9), (walk, 3), (stepper, 6):
        found = controls(panel.widget)
        names = [one.description for one in found]
        assert all(names) and len(set(names)) == len(names) >= least
        assert all(one.tooltip for one in found if isinstance(one, widgets.Button))
