"""The live panels of the notebooks: ipywidgets faces, each with a picture for where no widget shows."""

import asyncio
import base64
import html
import threading
import time

import ipywidgets as widgets
import numpy as np

from ganlib import figures
from ganlib.record import Record

FRAME = 0.045  # seconds from one frame of a film to the next: over 20 a second, where the machine is free
ALONE = threading.RLock()  # JupyterLab may hand one click to this thread and the next one to another
LOSSES = {"−log D(G(z))": "non_saturating", "log(1 − D(G(z)))": "minimax"}  # of G, as a menu names them
COLORS = (figures.D_COLOR, figures.G_COLOR, figures.REAL_COLOR, figures.G_COLOR)  # of the curves below


def show(widget, caption, *pictures):
    """Display the widget; where none shows, the pictures (PNG bytes, alt text, width) over their caption."""
    from IPython.display import display

    size = 'width="{}" style="display: inline"'  # side by side; JupyterLab would put each in its own row
    images = " ".join(img(png, alt, size.format(width)) for png, alt, width in pictures)
    plain = " ".join(alt for _, alt, _ in pictures)
    static = {"text/html": f"{images}<div>{html.escape(caption)}</div>", "text/plain": f"{plain} {caption}"}
    display(widget._repr_mimebundle_() | static, raw=True)


def img(png, alt, size):
    """The picture as an HTML tag that carries it; size: its attribute width or style."""
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return f'<img alt="{html.escape(alt)}" {size} src="{source}">'


def buttons(click, *rows):
    """{name: Button} of rows (name, words, tip, action): pressed, each calls click(action)."""
    made = {}
    for name, words, tip, action in rows:
        made[name] = widgets.Button(description=words, tooltip=tip, layout={"width": "auto"})
        made[name].on_click(lambda _button, action=action: click(action))
    return made


def choice(kind, words, width, value, **options):
    """A widget of that kind, so many pixels wide with its words."""
    options |= {"style": {"description_width": "initial"}, "layout": {"width": f"{width}px"}}
    return kind(description=words, value=value, **options)


def replay(record):
    """Show a Record as a film: the images of each epoch, the curves with a marker, a slider, play and pause.

    Where no widget shows (GitHub, an exported page) the same output is a picture of the last epoch.
    Raises TypeError for anything but a Record.
    """
    if not isinstance(record, Record):
        raise TypeError(
            f"replay cần một bản ghi (Record); đã nhận {type(record).__name__}. Hãy đọc bản ghi từ tệp bằng "
            "record = Record.load(tệp), rồi gọi replay(record)."
        )
    panel = Replay(record)
    invitation = "Chạy ô này trong JupyterLab để xem lại từng epoch như một cuốn phim."
    show(panel.widget, f"Sau epoch {record.epochs}. {invitation}", *panel.pictures)


class Replay:
    """The panel that `replay` shows: its `widget`, in which `slider.value` is the epoch drawn (1 … E)."""

    def __init__(self, record):
        E, self.images, self.task, self.played = record.epochs, record.images, None, None
        names = {"loss_D": "loss_D", "loss_G": "loss_G", "D(x)": "D_x", "D(G(z))": "D_Gz"}
        self.curves = {words: getattr(record, name).tolist() for words, name in names.items()}
        figure = figures.loss_curves(*self.curves.values())
        grid_alt = f"36 ảnh mà G vẽ từ 36 vector nhiễu cố định, sau epoch {E}."
        alt = f"Đường cong của loss và của D trung bình qua {E} epoch. Ở epoch cuối: {self.numbers(E)}."
        grid, whole = figures.grid_png(record.images[-1]), figures.png(figure)
        self.pictures = (grid, grid_alt, 330), (whole, alt, 480)
        self.size, self.points, self.ends = self.places(figure)
        for label in (label for ax in figure.axes for label in ax.texts):
            label.set_text(label.get_text().split(" = ")[0])  # the last epoch's value is not the marker's
        background = img(figures.png(figure), alt, 'style="display: block; width: 100%"')

        one_cell = widgets.Layout(grid_area="1 / 1", margin="0")  # children there lie on each other
        self.button = widgets.Button(tooltip=f"Phát hoặc tạm dừng cuốn phim {E} epoch")
        self.slider = widgets.IntSlider(1, 1, E, description="Epoch", readout=False, layout={"flex": "auto"})
        self.text, self.marker = widgets.HTML(), widgets.HTML(layout=one_cell)
        self.grid = widgets.Image(layout={"width": "41%"})  # it takes no alt text; `text` stands above it
        layers = [widgets.HTML(background, layout=one_cell), self.marker]
        pictures = widgets.HBox([self.grid, widgets.GridBox(layers, layout={"width": "59%"})])
        controls = [widgets.HBox([self.button, self.slider])] if E > 1 else []
        self.widget = widgets.VBox([*controls, self.text, pictures], layout={"max_width": "1080px"})
        self.widget.add_class("ganlib-replay")
        self.button.on_click(self.play_or_pause)
        self.slider.observe(self.moved, "value")
        self.pause()
        self.draw(1)

    def numbers(self, epoch):
        return ", ".join(f"{name} = {values[epoch - 1]:.2f}" for name, values in self.curves.items())

    def places(self, figure):
        """Of the picture of the curves, in pixels: its size, (4, E, 2) its points, the marker's two ends."""
        _, top, below = figure.axes
        size, curves = figure.bbox.size, self.curves.values()
        points = [
            ax.transData.transform(list(enumerate(values, 1)))
            for ax, values in zip((top, top, below, below), curves, strict=True)
        ]
        points = np.abs([0, size[1]] - np.array(points))  # a page counts y from above, matplotlib from below
        return size, points, size[1] - np.array([top.bbox.y1, below.bbox.y0])

    def draw(self, epoch):
        """Show that epoch, without matplotlib: the images as an array, the marker as a few lines of SVG."""
        self.grid.value = figures.grid_png(self.images[epoch - 1])
        points, (top, bottom) = self.points[:, epoch - 1], self.ends
        shapes = [f'<path d="M{points[0, 0]:.1f} {top}V{bottom}" stroke="{figures.INK}" stroke-width="2"/>']
        for (x, y), color in zip(points, COLORS, strict=True):
            shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="{color}"/>')
        box = 'viewBox="0 0 {:.0f} {:.0f}" style="display: block; width: 100%"'.format(*self.size)
        self.marker.value = f'<svg aria-hidden="true" {box}>{"".join(shapes)}</svg>'
        style = "font-size: 17px; font-variant-numeric: tabular-nums"  # numbers change, their places don't
        words = f"<b>Epoch {epoch}/{len(self.images)}</b>: {self.numbers(epoch)}"
        self.text.value = f'<span style="{style}">{words}</span>'

    def moved(self, change):
        with ALONE:
            if self.task and change.new != self.played:
                self.pause()  # somebody took the slider to look at an epoch
            self.draw(change.new)

    def play_or_pause(self, _button):
        with ALONE:
            if self.task:
                return self.pause()
            self.button.description, self.button.icon = "Tạm dừng", "pause"
            self.task = asyncio.get_running_loop().create_task(self.play())

    def pause(self):
        self.task, self.button.description, self.button.icon = None, "Phát", "play"

    async def play(self):
        """From the epoch shown to the last; if that is the last, from the first."""
        me, epoch = asyncio.current_task(), self.slider.value % self.slider.max
        while self.task is me and epoch < self.slider.max:
            epoch, began = epoch + 1, time.monotonic()
            self.played = self.slider.value = epoch
            await asyncio.sleep(max(0, began + FRAME - time.monotonic()))
        if self.task is me:
            self.pause()
