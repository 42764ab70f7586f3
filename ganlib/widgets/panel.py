"""What the live panels share: buttons, menus, the loop that runs them, the picture where no widget shows."""

import asyncio
import base64
import io
import threading
import time

import ipywidgets as widgets
from IPython.display import display
from PIL import Image, ImageOps

from ganlib import figures

ALONE = threading.RLock()  # JupyterLab may hand one click to this thread and the next one to another
LOSSES = {"−log D(G(z))": "non_saturating", "log(1 − D(G(z)))": "minimax"}  # of G, as a menu names them
HINT = "Chạy ô này trong Jupyter để tự tay điều khiển."
WIDGET = "application/vnd.jupyter.widget-view+json"


def show(widget, png, alt, width):
    """Display the widget; where none shows (GitHub, an exported page): the picture, under it alt and a hint.

    png: bytes; alt: what the picture shows, in one line; width: in pixels.
    """
    picture = {"image/png": base64.b64encode(png).decode("ascii"), "text/plain": alt}
    display(view(widget) | picture, metadata={"image/png": {"alt": alt, "width": width}}, raw=True)
    nothing = widgets.Box()  # under a live panel: there the line would speak of a picture that isn't shown
    display(view(nothing) | {"text/markdown": f"*{figures.escape(alt)}* {HINT}"}, raw=True)


def view(widget):
    return {WIDGET: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}


def join(*pngs, below=False):
    """The pictures (PNG bytes) as one, on white: side by side, or one below another."""
    images = [ImageOps.expand(Image.open(io.BytesIO(png)).convert("RGB"), 6, "white") for png in pngs]
    wide, tall = [image.width for image in images], [image.height for image in images]
    size = (max(wide), sum(tall)) if below else (sum(wide), max(tall))
    whole, file, x, y = Image.new("RGB", size, "white"), io.BytesIO(), 0, 0
    for image in images:
        whole.paste(image, (x, y))
        x, y = (x, y + image.height) if below else (x + image.width, y)
    whole.quantize(256, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def line(words):
    """Words (HTML) for the line that tells a panel's numbers: these may change without moving."""
    return f'<span style="font-size: 17px; font-variant-numeric: tabular-nums">{words}</span>'


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


class Runner:
    """Calls step() again and again until it returns False, or `stop`; clicks come in between. Then stopped().

    pause: seconds from one step's beginning to the next one's, at least.
    """

    def __init__(self, step, stopped, pause=0.0):
        self.step, self.stopped, self.pause, self.task = step, stopped, pause, None

    @property
    def running(self):
        return self.task is not None

    def start(self):
        self.task = asyncio.get_running_loop().create_task(self.run())

    def stop(self):
        self.task = None
        self.stopped()

    async def run(self):
        me = asyncio.current_task()
        while True:
            began, more = time.monotonic(), False
            with ALONE:
                if self.task is not me:  # stopped, and perhaps started anew
                    return
                try:
                    more = self.step()
                finally:  # a step that fails is the last one too
                    if more is False:
                        self.stop()
            await asyncio.sleep(max(0.001, began + self.pause - time.monotonic()))
