"""The panel of notebook 07 that walks through the noise space, from one image of G to another."""

import ipywidgets as widgets
import torch

from ganlib import checks, figures
from ganlib.panels import show

STEPS = 10  # of the strip, and of the slider from t = 0 to t = 1
WIDE = {"style": {"description_width": "initial"}}


def walk(G, z, names, paths):
    """Show the panel: which two of G(z) to walk between, along which path, and a slider for how far.

    z: (n ≥ 2, latent_dim); names: one of each. paths: name -> function (a, b, t) -> noise, of a and b
    (1, latent_dim) and t from 0 to 1. Where no widget shows: a picture of the whole way along each path.
    """
    checks.instance("G", G, torch.nn.Module, "một mạng sinh")
    checks.tensor("z", z)
    checks.require(z.ndim == 2 and len(z) >= 2, "z", "ít nhất hai vector nhiễu, (n, latent_dim)", z)
    checks.texts("names (mỗi z một tên)", names, len(z))
    ok = isinstance(paths, dict) and paths and all(map(callable, paths.values()))
    checks.require(ok, "paths", "dict: tên -> hàm (a, b, t)", paths)
    panel = Walk(G, z, names, paths)
    ways = ", ".join(f"đường {name}" for name in paths)
    show(panel.widget, f"Từ trên xuống: {ways}. Chạy ô này trong JupyterLab để tự đi.", *panel.pictures)


class Walk:
    """What `walk` shows: its `widget`, with the choices `start`, `end`, `path` and the slider `t`."""

    def __init__(self, G, z, names, paths):
        self.G, self.z, self.paths = G, z, paths
        menu = WIDE | {"options": [(name, i) for i, name in enumerate(names)], "layout": {"width": "170px"}}
        self.start = widgets.Dropdown(description="Đi từ", value=0, **menu)
        self.end = widgets.Dropdown(description="đến", value=len(z) - 1, **menu)
        self.path = widgets.Dropdown(description="theo đường", **menu | {"options": list(paths)})
        way = WIDE | {"readout": False, "layout": {"width": "704px"}}
        self.t = widgets.FloatSlider(0, min=0, max=1, step=1 / (2 * STEPS), description="t", **way)
        self.text, self.here, self.strip = widgets.HTML(), widgets.Image(), widgets.Image()
        self.here.layout = {"width": "192px", "margin": "0 12px 0 0"}
        self.strip.layout.width = "704px"
        row = widgets.HBox([self.start, self.end, self.path])
        here = widgets.HBox([self.here, widgets.VBox([self.t, self.text, self.strip])])
        self.widget = widgets.VBox([row, here], layout={"max_width": "1000px"})
        self.widget.add_class("ganlib-walk")
        self.pictures = []
        for self.path.value in reversed(list(paths)):  # the first path is the one chosen in the end
            way = f"đường {self.path.value} từ {names[0]} đến {names[-1]}"
            self.draw()
            self.pictures.insert(0, (self.strip.value, f"Mười một ảnh trên {way}.", 704))
        for choice in (self.start, self.end, self.path, self.t):
            choice.observe(self.draw, "value")

    @torch.no_grad()
    def images(self, z):
        """What G draws: (n, 1, 28, 28) in [-1, 1]."""
        return self.G(z)

    def noise(self, t):
        a, b = self.z[self.start.value, None], self.z[self.end.value, None]
        return self.paths[self.path.value](a, b, t)

    def draw(self, *_):
        """The image here and now, the whole way, and how long the noise is."""
        now, t = self.noise(self.t.value), self.t.value
        way = torch.cat([self.noise(i / STEPS) for i in range(STEPS + 1)])
        self.here.value = figures.grid_png(self.images(now), scale=6)
        self.strip.value = figures.grid_png(self.images(way), STEPS + 1, scale=4)
        words = f"<b>t = {t:.2f}</b>, độ dài của z: {float(now.norm()):.2f}. Cả đường {self.path.value}:"
        self.text.value = f'<span style="font-size: 16px">{words}</span>'
