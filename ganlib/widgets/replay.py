"""The panel that plays a finished run again, epoch by epoch (notebook 05)."""

import io

import ipywidgets as widgets
import numpy as np
from PIL import Image

from ganlib import check, figures
from ganlib.record import Record
from ganlib.widgets import panel


def replay(record):
    """Show a Record as a film: the images of each epoch, the curves with a marker, a slider, play and pause.

    Where no widget shows: a picture of the last epoch. Raises TypeError (Vietnamese) unless it is a Record.
    """
    expected = "một bản ghi (Record), đọc từ tệp bằng record.load(đường_dẫn)"
    check.instance("record", record, Record, expected)
    shown, E = Replay(record), record.epochs
    what = "36 ảnh mà G vẽ từ 36 vector nhiễu cố định; bên phải là loss và câu trả lời của D qua mọi epoch"
    pngs = figures.grid_png(record.images[-1], scale=4), shown.curves(E)
    both = np.hstack([Image.open(io.BytesIO(png)).convert("RGB") for png in pngs])
    png = figures.encode(Image.fromarray(both).quantize(256, dither=Image.Dither.NONE), 9)
    panel.show(shown.widget, png, f"Sau epoch {E}: {what}, cuối cùng {shown.numbers(E)}.", 900)


class Replay(panel.Running):
    """What `replay` shows: its `widget`, in which `slider.value` is the epoch drawn (1 … E)."""

    IDLE, BUSY = ("Phát", "play"), ("Tạm dừng", "pause")

    def __init__(self, record):
        E, self.images = record.epochs, record.images
        self.values = {"loss_D": record.loss_D, "loss_G": record.loss_G}
        self.values |= {"D(x)": record.D_x, "D(G(z))": record.D_Gz}
        self.figure = figures.loss_curves(*self.values.values())
        self.bars = [ax.axvline(1, color=figures.INK) for ax in self.figure.axes]  # at the epoch shown
        self.figure.set_dpi(112)  # 728 pixels tall, as 36 images are, four times enlarged
        self.figure.draw_without_rendering()  # lays it out: once, for it takes time
        self.figure.set_layout_engine("none")
        super().__init__(("run", "", f"Phát hoặc tạm dừng cuốn phim {E} epoch", self.begin))
        button = self.buttons["run"]
        button.layout.width = "148px"  # whatever it says: the slider beside it keeps still
        self.slider = widgets.IntSlider(1, 1, E, description="Epoch", readout=False, layout={"flex": "auto"})
        self.line, self.grid = widgets.HTML(), widgets.Image(layout={"width": "42%"})
        self.picture = widgets.Image(layout={"width": "58%"})
        controls = [widgets.HBox([button, self.slider])] if E > 1 else []  # 1 to 1 fails in the browser
        parts = [*controls, self.line, widgets.HBox([self.grid, self.picture])]
        self.widget = widgets.VBox(parts, layout={"max_width": "1080px"})
        self.widget.add_class("ganlib-replay")
        self.played = 1  # the epoch that the film reached by itself
        self.slider.observe(self.moved, "value")
        self.draw()

    def curves(self, epoch):
        """The curves, that epoch marked on them: PNG bytes."""
        for bar in self.bars:
            bar.set_xdata([epoch, epoch])
        return figures.screen_png(self.figure)

    def numbers(self, epoch):
        return ", ".join(f"{name} = {values[epoch - 1]:.2f}" for name, values in self.values.items())

    def draw(self):
        epoch = self.slider.value
        self.grid.value, self.picture.value = figures.grid_png(self.images[epoch - 1]), self.curves(epoch)
        self.line.value = panel.line(f"<b>Epoch {epoch}/{len(self.images)}</b>: {self.numbers(epoch)}")

    def moved(self, _change):
        with panel.ALONE:
            if self.slider.value != self.played:
                self.stop()  # somebody took the slider to look at an epoch
            self.draw()

    def step(self):
        """One epoch further, after the last the first. False at the last."""
        self.played = self.slider.value % self.slider.max + 1
        self.slider.value = self.played
        return self.played < self.slider.max
