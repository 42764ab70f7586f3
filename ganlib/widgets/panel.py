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


def choice(kind, words, width, value, **options):
    """A widget of that kind, so many pixels wide with its words."""
    options |= {"style": {"description_width": "initial"}, "layout": {"width": f"{width}px"}}
    return kind(description=words, value=value, **options)


class Running:
    """A panel with buttons, of which "run" runs it: step() again and again, until that is False, or a click.

    Whoever inherits gives step() and draw().
    """

    IDLE, BUSY = ("Chạy", "play"), ("Dừng", "stop")  # words and icon of the button "run"

    def __init__(self, *rows):
        """rows: (name, words, tip, action) of each button; of "run" the action is `begin`."""
        self.task, self.buttons = None, {}
        for name, words, tip, action in rows:
            button = widgets.Button(description=words, tooltip=tip, layout={"width": "auto"})
            button.on_click(lambda _button, action=action: self.click(action))
            self.buttons[name] = button
        self.stop()

    def click(self, action):
        """Whatever is pressed, a run ends; the button that began it does no more than that."""
        with ALONE:
            was_running = self.task
            self.stop()
            if not was_running or action != self.begin:
                action()
            self.draw()

    def begin(self):
        self.buttons["run"].description, self.buttons["run"].icon = self.BUSY
        self.task = asyncio.get_running_loop().create_task(self.run())

    def stop(self):
        self.buttons["run"].description, self.buttons["run"].icon = self.IDLE
        self.task = None

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
            await asyncio.sleep(0.001)  # clicks come in between


class Scenic(Running):
    """A running panel of one line and one picture over controls.

    Whoever inherits gives step(), restart(), which makes `scene`, and draw().
    """

    def __init__(self, name, width, actions, beside, *below, anew=()):
        """width of the picture, in pixels; actions: rows as of Running; beside, below: further controls.

        anew: those of them that begin anew when they change.
        """
        run = ("run", "", "Chạy liên tục; bấm lần nữa để dừng", self.begin)
        super().__init__(run, *actions)
        self.buttons["run"].button_style = "primary"
        self.width, self.line = width, widgets.HTML()
        self.picture = widgets.Image(format="png", layout={"width": f"{width}px"})
        rows = [*self.buttons.values(), *beside], *below
        parts = [self.line, self.picture, *map(widgets.HBox, rows)]
        self.widget = widgets.VBox(parts, layout={"max_width": "1100px"})
        self.widget.add_class(f"ganlib-{name}")
        for one in anew:
            one.observe(lambda _change: self.click(self.restart), "value")
        self.click(self.restart)

    def tell(self, words):
        self.picture.value = figures.screen_png(self.scene.figure)
        self.line.value = line(words)

    def show(self, alt):
        """Display it as after a restart; where no widget shows: the picture as it stands now, and alt."""
        self.draw()
        png = figures.png(self.scene.figure)
        self.click(self.restart)
        show(self.widget, png, alt, self.width)
