"""The panel of notebooks 00 and 07 that walks through the noise space, from one image of G to another."""

import ipywidgets as widgets
import torch

from ganlib import figures
from ganlib.widgets import panel

STEPS = 10  # of the strip, and of the slider from t = 0 to t = 1


def walk(G, z, names, paths, ends=(0, -1)):
    """Show the panel: which two of G(z) to walk between, along which path, and a slider for how far.

    z: (n, latent_dim); names: one of each. paths: name -> function (a, b, t) -> noise, of a and b
    (1, latent_dim) and t from 0 to 1. ends: which two it begins with. Where no widget shows: a picture of the
    whole way along each path.
    """
    shown = Walk(G, z, names, paths, ends)
    ways = "; từ trên xuống: " + ", ".join(f"đường {name}" for name in paths) if len(paths) > 1 else ""
    alt = f"Mười một ảnh trên đường đi từ {names[ends[0]]} đến {names[ends[1]]}{ways}."
    panel.show(shown.widget, shown.strip(*paths), alt, 704)


class Walk:
    """What `walk` shows: its `widget`, with the choices `start`, `end`, `path` and the slider `t`."""

    def __init__(self, G, z, names, paths, ends=(0, -1)):
        self.G, self.z, self.paths = G, z, paths
        menu, named, places = widgets.Dropdown, [(name, i) for i, name in enumerate(names)], range(len(z))
        self.start = panel.choice(menu, "Đi từ", 170, places[ends[0]], options=named)
        self.end = panel.choice(menu, "đến", 170, places[ends[1]], options=named)
        self.path = panel.choice(menu, "theo đường", 170, next(iter(paths)), options=list(paths))
        self.t = panel.choice(widgets.FloatSlider, "t", 704, 0, max=1, step=1 / (2 * STEPS), readout=False)
        self.line, self.way = widgets.HTML(), widgets.Image(layout={"width": "704px"})
        self.here = widgets.Image(layout={"width": "192px", "margin": "0 12px 0 0"})
        there = widgets.HBox([self.here, widgets.VBox([self.t, self.line, self.way])])
        self.widget = widgets.VBox([widgets.HBox([self.start, self.end, self.path]), there])
        self.widget.add_class("ganlib-walk")
        for one in (self.start, self.end, self.path, self.t):
            one.observe(self.draw, "value")
        self.draw()

    def noise(self, path, t):
        return self.paths[path](self.z[self.start.value, None], self.z[self.end.value, None], t)

    @torch.no_grad()
    def strip(self, *paths):
        """The whole way along each path as PNG bytes: G of STEPS + 1 noise vectors in equal steps of t."""
        z = torch.cat([self.noise(path, i / STEPS) for path in paths for i in range(STEPS + 1)])
        return figures.grid_png(self.G(z), STEPS + 1, scale=4)

    @torch.no_grad()
    def draw(self, _change=None):
        path, t = self.path.value, self.t.value
        z = self.noise(path, t)
        self.here.value, self.way.value = figures.grid_png(self.G(z), scale=6), self.strip(path)
        self.line.value = panel.line(f"<b>t = {t:.2f}</b>, chuẩn của z: {z.norm():.2f}. Cả đường {path}:")
