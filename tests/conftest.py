"""What several test files need: small images and Records, the notebooks' code, Jupyter in a real browser."""

import io
import json
import os
import re
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

# `pytest &` has it ignore Ctrl-C, and all that it starts too: runs that a test stops would go on.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# Of the processes that a test starts: they find ganlib and the tests, and use one core each.
ALONE = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
HANGS = 600  # seconds: what takes so long, even on a busy machine, would never end

LOCK = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "tests" / "lock.txt").read_text(), re.M))
# Another matplotlib draws other pixels: a committed picture is compared under the one that drew it.
another = version("matplotlib") != LOCK["matplotlib"]
drawn_by_the_lock = pytest.mark.skipif(another, reason=f"hình vẽ bằng matplotlib {LOCK['matplotlib']}")


def code_cells(path):
    """The sources of the code cells of a notebook."""
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def random_images(count=120, seed=3):
    """data.Images of noise, to train on."""
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8, generator=random)
    return data.Images("mnist", pixels, torch.zeros(count, dtype=torch.int64))


def weights(state):
    """Copies of all weights of a State: of G, of D, and of the average, if there is one."""
    networks = filter(None, (state.G, state.D, state.G_avg))
    return [p.detach().clone() for network in networks for p in network.parameters()]


def same(a, b):
    """Whether these tensors hold the same bits as those."""
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def last(epochs):
    return list(epochs)[-1]


def pixels(png):
    """Of a picture's bytes: (height, width, 3), whole numbers."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


@pytest.fixture
def few_samples(monkeypatch):
    """Scores of two draws of 400 samples against 300 images, in place of ten of 10,000."""
    draw, over_draws, few = scores.draw, scores.over_draws, data.split("mnist", train=False)[0][:310]
    monkeypatch.setattr(scores, "held_out", lambda name: (few[:10], few[10:]))
    monkeypatch.setattr(scores, "draw", lambda G, seed=1: draw(G, seed)[:400])
    monkeypatch.setattr(scores, "over_draws", lambda G, measures, draws=2: over_draws(G, measures, 2))


@pytest.fixture
def make_record():
    """A function: epochs -> a Record of so many, of random images and plausible curves."""

    def make(epochs):
        images = random_images(epochs * 36, seed=epochs).pixels.view(epochs, 36, 28, 28)
        curves = [torch.linspace(*ends, epochs) for ends in ((0.7, 1.2), (2.4, 0.9), (0.9, 0.6), (0.1, 0.4))]
        film = {name: torch.rand(6) for name in ("loss_D", "loss_G", "D_x", "D_Gz")}
        film |= {"iteration": torch.arange(50, 301, 50), "images": images[:1].repeat(6, 1, 1, 1)}
        halves = {name: w.half() for name, w in Generator().state_dict().items()}
        about = "mnist", 60_000, epochs, asdict(Settings()), "fp32", "CPU"
        return Record(*about, *curves, torch.ones(epochs), images, film, {}, halves)

    return make


# ------------------------------------------------------------------------------------------------ browser

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # every cell is in the page
}
KERNEL = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
ERRORS = '[data-mime-type="application/vnd.jupyter.stderr"], [data-mime-type="application/vnd.jupyter.error"]'


class Lab:
    """A JupyterLab or a Notebook 7 that serves the folder `root`, and its browser `page`."""

    def __init__(self, app, root, url, page):
        self.app, self.root, self.url, self.page = app, root, url, page
        self.faults = []  # what went wrong in the page's own scripts
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.set_default_timeout(HANGS * 1000)  # the machine may be busy

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
        """A command of JupyterLab, done when this returns."""
        self.page.evaluate("async name => { await window.jupyterapp.commands.execute(name) }", name)

    def hide_files(self):
        """Notebook 7 has none beside a notebook."""
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
        its_own = "(reading 'schema')"  # of Notebook 7.6, in any notebook
        return self.page.locator(ERRORS).all_inner_texts() + [fault for fault in self.faults if its_own not in fault]


@pytest.fixture(params=["jupyterlab", "notebook"])
def lab(request, tmp_path):
    """A Lab for one test, with a server of its own, whose settings are not the user's."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium or not all(map(find_spec, ("playwright", request.param))):
        why = "cần Chromium (Debian, Ubuntu: apt install chromium) và tests/requirements-browser.txt"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)  # a reader's machine may lack it
    from playwright.sync_api import sync_playwright

    root, settings, token = tmp_path / "notebooks", tmp_path / "labconfig", os.urandom(16).hex()
    root.mkdir()
    settings.mkdir()
    (settings / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", request.param, "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += [f"--port={port}", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}"]
    home = os.environ | {f"JUPYTER_{name}_DIR": str(tmp_path) for name in ("CONFIG", "DATA", "RUNTIME")}
    server = subprocess.Popen(command, env=home, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/{{}}?token={token}"

    def answers():
        with suppress(OSError), urllib.request.urlopen(url.format("api/status"), timeout=5):
            return True

    try:
        until = time.monotonic() + HANGS
        while not answers():
            assert server.poll() is None and time.monotonic() < until, "Jupyter does not answer"
            time.sleep(0.1)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 720})  # a projector's
            yield Lab(request.param, root, url, page)
            browser.close()
    finally:
        server.terminate()
        server.wait(HANGS)
