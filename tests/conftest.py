"""What several test files need: small images and Records, the notebooks' code, Jupyter in a real browser."""

import io
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

from ganlib import data, scores
from ganlib.networks import Generator
from ganlib.record import Record
from ganlib.training import Settings

# A shell that starts pytest in the background (`pytest &`) has it ignore Ctrl-C, and all that it starts too:
# runs that a test stops by Ctrl-C would go on.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# Of the processes that a test starts: they find ganlib and the tests, and use one core each.
PATHS = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
ALONE = os.environ | {"PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1"}

LOCK = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "tests" / "lock.txt").read_text(), re.M))
# Another matplotlib draws other pixels: a committed picture is compared under the one that drew it.
drawn_by_the_lock = pytest.mark.skipif(
    version("matplotlib") != LOCK["matplotlib"], reason=f"hình vẽ bằng matplotlib {LOCK['matplotlib']}"
)

HANGS = 600  # seconds: what takes so long, even on a busy machine, would never end

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # every cell is in the page
}
KERNEL = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
ERRORS = '[data-mime-type="application/vnd.jupyter.stderr"], [data-mime-type="application/vnd.jupyter.error"]'


def code_cells(path):
    """The sources of the code cells of a notebook."""
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def cannot_run(why):
    """Skip this test on a reader's machine; fail it in CI, where everything it needs is installed."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)


def random_images(count=120, seed=3):
    """data.Images of noise, to train on."""
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8, generator=random)
    return data.Images("mnist", pixels, torch.zeros(count, dtype=torch.int64))


def weights(state):
    """Copies of all weights of a State: of G, of D, and of the average, if there is one."""
    networks = [network for network in (state.G, state.D, state.G_avg) if network is not None]
    return [p.detach().clone() for network in networks for p in network.parameters()]


def same(a, b):
    """Whether these tensors hold the same bits as those."""
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def pixels(png):
    """Of a picture's bytes: (height, width, 3), whole numbers."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def spoilt(content, chance):
    """The bytes with one bit or byte changed, or cut off somewhere; headers are hit as often as bodies."""
    place = chance.randrange(chance.choice([len(content), min(len(content), 4096)]))
    if chance.random() < 0.25:
        return content[:place]
    change = chance.choice([1 << chance.randrange(8), chance.randrange(1, 256)])
    return content[:place] + bytes([content[place] ^ change]) + content[place + 1 :]


@pytest.fixture
def few_samples(monkeypatch):
    """Scores of two draws of 400 samples, in place of ten of 10,000."""
    draw, over_draws = scores.draw, scores.over_draws
    monkeypatch.setattr(scores, "draw", lambda G, seed=1: draw(G, seed)[:400])
    monkeypatch.setattr(scores, "over_draws", lambda G, measures, draws=2: over_draws(G, measures, 2))


@pytest.fixture
def make_record():
    """A function: epochs -> a Record of so many, of random images and plausible curves."""

    def make(epochs):
        random = torch.Generator().manual_seed(epochs)
        images = torch.randint(0, 256, (epochs, 36, 28, 28), dtype=torch.uint8, generator=random)
        ends = (0.7, 1.2), (2.4, 0.9), (0.9, 0.6), (0.1, 0.4)
        curves = [torch.linspace(*pair, epochs) for pair in ends]
        frames = {name: torch.rand(6) for name in ("loss_D", "loss_G", "D_x", "D_Gz")}
        film = frames | {"iteration": torch.arange(50, 301, 50), "images": images[:1].repeat(6, 1, 1, 1)}
        weights = {name: w.half() for name, w in Generator().state_dict().items()}
        about = "mnist", 60_000, epochs, asdict(Settings()), "fp32", "CPU"
        return Record(*about, *curves, torch.ones(epochs), images, film, {}, weights)

    return make


class Lab:
    """A JupyterLab or a Notebook 7 that serves the folder `root`, and its browser `page`."""

    def __init__(self, app, root, url, page):
        self.app, self.root, self.url, self.page = app, root, url, page
        self.faults = []  # what went wrong in the page's own scripts
        page.on("pageerror", self.fault)
        page.set_default_timeout(HANGS * 1000)  # the machine may be busy

    def fault(self, error):
        of_its_own = self.app == "notebook" and "(reading 'schema')" in str(error)  # 7.6, in any notebook
        self.faults += [] if of_its_own else [str(error)]

    def write(self, name, *sources):
        """A notebook of these code cells, in `root`; returns its path."""
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # else JupyterLab asks which
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), self.root / name)
        return self.root / name

    def open(self, path):
        """Open a notebook of `root`, from now on `path`, and wait for its kernel."""
        self.path = path
        place = {"jupyterlab": "lab/tree", "notebook": "notebooks"}[self.app]
        self.page.goto(self.url.format(f"{place}/{path.name}") + "&reset")
        self.page.wait_for_function(f"{KERNEL}?.status === 'idle'", timeout=60_000)

    def command(self, name):
        """A command of JupyterLab, done when this returns. (A click on its menu is lost now and then.)"""
        self.page.evaluate("async name => { await window.jupyterapp.commands.execute(name) }", name)

    def hide_files(self):
        """Take the file browser away; Notebook 7 has none beside a notebook."""
        if self.app == "jupyterlab":
            self.command("application:toggle-left-area")

    def reopen(self):
        """Save the notebook `path`, make it what a refresh stores, and open that."""
        from refresh_notebooks import clean  # here, as playwright below: processes of tests don't need them

        self.command("docmanager:save")
        notebook = nbformat.read(self.path, as_version=4)
        clean(notebook, "")
        nbformat.write(notebook, self.root / "saved.ipynb")
        self.open(self.root / "saved.ipynb")

    def errors(self):
        """What the cells wrote as an error or a warning, and what failed in the page."""
        return self.page.locator(ERRORS).all_inner_texts() + self.faults


@pytest.fixture(params=["jupyterlab", "notebook"])
def lab(request, tmp_path):
    """A Lab for one test, with a server of its own."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium or not find_spec(request.param) or not find_spec("playwright"):
        cannot_run("cần Chromium (Debian, Ubuntu: apt install chromium) và tests/requirements-browser.txt")
    from playwright.sync_api import sync_playwright

    root, token = tmp_path / "notebooks", secrets.token_hex(16)
    root.mkdir()
    (tmp_path / "labconfig").mkdir()
    (tmp_path / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    options = ["--expose-app-in-browser", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}"]
    server, port = start_server(tmp_path, *options, app=request.param, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/{{}}?token={token}"
        wait_for(url.format("api/status"), server)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            size = {"width": 1280, "height": 720}  # a projector's
            yield Lab(request.param, root, url, browser.new_page(viewport=size))
            browser.close()
    finally:
        server.terminate()
        server.wait(HANGS)


def start_server(home, *options, app="jupyterlab", **pipes):
    """A JupyterLab (or Notebook 7) with its settings in `home`, not the user's: the process, its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", app, "--no-browser", f"--port={port}", *options]
    command += ["--allow-root"] * (sys.platform != "win32" and os.geteuid() == 0)
    environment = os.environ | {f"JUPYTER_{name}_DIR": str(home) for name in ("CONFIG", "DATA", "RUNTIME")}
    return subprocess.Popen(command, env=environment, **pipes), port


def wait_for(url, server):
    def answers():
        with suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return True
        return server.poll() is not None

    wait_until(answers)
    assert server.poll() is None, f"Jupyter does not answer at {url}"


def wait_until(true):
    """Come back when `true()` is; an error after so long: then it would never be."""
    until = time.monotonic() + HANGS
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
