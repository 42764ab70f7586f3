"""Fixtures of several test files: the sample alone, a small Record, and Jupyter in a real browser."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict

import nbformat
import pytest
import torch
from playwright.sync_api import sync_playwright
from refresh_notebooks import clean

from ganlib.record import Record
from ganlib.training import Settings

# A shell that starts pytest in the background (`pytest &`) has it ignore Ctrl-C, and all that it starts too:
# runs that a test stops by Ctrl-C would go on.
signal.signal(signal.SIGINT, signal.default_int_handler)

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # every cell is in the page
}
KERNEL = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
ERRORS = '[data-mime-type="application/vnd.jupyter.stderr"], [data-mime-type="application/vnd.jupyter.error"]'


@pytest.fixture
def sample_only(tmp_path, monkeypatch):
    """The shipped sample is the only data at hand."""
    monkeypatch.delenv("GANLIB_DATA", raising=False)
    monkeypatch.setattr("ganlib.sources.cache_folder", lambda: tmp_path / "cache")


@pytest.fixture
def make_record():
    """A function: epochs -> a Record of so many, of random images and plausible curves."""

    def make(epochs):
        random = torch.Generator().manual_seed(epochs)
        images = torch.randint(0, 256, (epochs, 36, 28, 28), dtype=torch.uint8, generator=random)
        ends = (0.7, 1.2), (2.4, 0.9), (0.9, 0.6), (0.1, 0.4)
        curves = [torch.linspace(*pair, epochs) for pair in ends]
        about = "mnist", 60_000, "cache", epochs, 10, asdict(Settings(average=0.0)), "fp32", "CPU", {}
        return Record(*about, *curves, torch.ones(epochs), images, {}, {})

    return make


class Lab:
    """A JupyterLab or a Notebook 7 that serves the folder `root`, and its browser `page`."""

    def __init__(self, app, root, url, page):
        self.app, self.root, self.url, self.page = app, root, url, page
        self.faults = []  # what went wrong in the page's own scripts
        page.on("pageerror", self.fault)

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
    """A Lab for one test, with a server of its own; skipped where there is no Chromium or no Notebook 7."""
    pytest.importorskip(request.param)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("cần trình duyệt Chromium (Debian, Ubuntu: apt install chromium), rồi: pytest -m slow")
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
        server.wait(30)


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
    until = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < until:
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"Jupyter does not answer at {url}")
