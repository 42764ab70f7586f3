"""What the live panels share: buttons, menus, the loop that runs them, the picture where no widget shows."""

import asyncio
import base64
import threading

import ipywidgets as widgets
from IPython.display import display

from ganlib import figures

ALONE = threading.RLock()  # JupyterLab may hand one click to this thread and the next one to another
FOCUS = "<style>.noUi-handle:focus-visible { outline: 2px solid #0072B2; outline-offset: 2px }</style>"
HINT = "Chạy ô này trong Jupyter để tự tay điều khiển."


def show(widget, png, alt, width):
    """Display the widget; where none shows (GitHub, an exported page): the picture, under it alt and a hint.

    png: bytes; alt: what the picture shows, in one line; width: in pixels.
    """
    picture = {"image/png": base64.b64encode(png).decode(), "text/plain": alt}
    display(view(widget) | picture, metadata={"image/png": {"alt": alt, "width": width}}, raw=True)
    # Under a live panel the line would speak of a picture that isn't shown: there, a slider's focus ring.
    hidden = widgets.HTML(FOCUS, layout={"display": "none"})
    display(view(hidden) | {"text/markdown": f"*{figures.escape(alt)}* {HINT}"}, raw=True)


def view(widget):
    version = {"version_major": 2, "version_minor": 0}
    return {"application/vnd.jupyter.widget-view+json": version | {"model_id": widget.model_id}}


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
    """Calls step() until it returns False, or until `stop`; clicks come in between. Then stopped()."""

    def __init__(self, step, stopped):
        self.step, self.stopped, self.task = step, stopped, None

    @property
    def running(self):
        return self.task is not None

    def start(self):
        self.task = asyncio.get_running_loop().create_task(self.run())

    def stop(self):
        self.task = None
        self.stopped()

    async def run(self):
        me, more = asyncio.current_task(), True
        while more:
            with ALONE:
                if self.task is not me:  # stopped, and perhaps started anew
                    return
                more = False
                try:
                    more = self.step()
                finally:  # a step that fails is the last one too
                    if not more:
                        self.stop()
            await asyncio.sleep(0.001)


class Running:
    """A panel of one picture and one line that runs until any click ends it.

    Whoever inherits gives `scene`, and: step() as Runner calls it, restart(), draw().
    """

    def __init__(self, width, *rows):
        """width of the picture, in pixels; rows: as `buttons` takes them, beside the button that runs."""
        self.runner, self.line = Runner(self.step, self.stopped), widgets.HTML()
        self.picture = widgets.Image(format="png", layout={"width": f"{width}px"})
        run = ("run", "", "Chạy liên tục; bấm lần nữa để dừng", self.begin)
        self.buttons = buttons(self.click, run, *rows)
        self.buttons["run"].button_style = "primary"

    def lay_out(self, name, *rows):
        """The `widget`, of class `name`: line, picture, rows of controls; then as after a restart."""
        parts = [self.line, self.picture, *map(widgets.HBox, rows)]
        self.widget = widgets.VBox(parts, layout={"max_width": "1100px"})
        self.widget.add_class(name)
        self.click(self.restart)

    def tell(self, words):
        self.picture.value = figures.screen_png(self.scene.figure)
        self.line.value = line(words)

    def click(self, action):
        """Whatever is pressed, a run ends; the button that began it does no more than that."""
        with ALONE:
            running = self.runner.running
            self.runner.stop()
            if not running or action != self.begin:
                action()
            self.draw()

    def begin(self):
        self.buttons["run"].description, self.buttons["run"].icon = "Dừng", "stop"
        self.runner.start()

    def stopped(self):
        self.buttons["run"].description, self.buttons["run"].icon = "Chạy", "play"
