"""Notebooks as readers run them: twice, out of order, in odd folders, without the right to write.

Reduced runs in kernels of their own; all but the folder tests take a minute or two a notebook.
"""

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path, PureWindowsPath

import nbformat
import pytest
from conftest import wait_for
from nbclient import NotebookClient
from test_properties import is_vietnamese

from ganlib import data, record

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ODD = "Bài tập về GAN, lần 2"


def execute(cells, folder, allow_errors=False, **environment):
    """The code cells, run one after another in one kernel whose folder that is."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=os.environ | {"PYTHONPATH": str(ROOT)} | environment)
    return notebook.cells


def code(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def errors(cells):
    return [output for cell in cells for output in cell.outputs if output.output_type == "error"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_out_of_order_then_run_all_twice(path):
    """One kernel: the cells shuffled, where a name may be missing, then Run All, then Run All again."""
    cells = code(path)
    shuffled = random.Random(0).sample(cells, len(cells))
    ran = execute(shuffled + cells + cells, path.parent, allow_errors=True)
    for error in errors(ran[: len(cells)]):
        assert error.ename == "NameError" or is_vietnamese(error.evalue), error.evalue
    assert [error.evalue for error in errors(ran[len(cells) :])] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_two_at_once_in_a_folder_with_spaces_and_marks(path, tmp_path):
    """A copy of the project there, with its own (empty) cache; two kernels run the notebook side by side."""
    project = tmp_path / ODD
    shutil.copytree(ROOT / "ganlib", project / "ganlib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)
    (project / "notebooks").mkdir()
    copy = shutil.copy(path, project / "notebooks")
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", str(copy)]
    one_thread = {"OMP_NUM_THREADS": "1"}  # on two cores, two kernels of two threads wait for each other
    environment = os.environ | {"PYTHONPATH": str(project)} | one_thread
    both = [
        subprocess.Popen([*command, "--output", f"{i}.ipynb"], env=environment, stderr=subprocess.PIPE)
        for i in range(2)
    ]
    said = [process.communicate(timeout=600)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert str(ROOT) not in (project / "notebooks" / "0.ipynb").read_text(encoding="utf-8")


def as_nobody(work):
    """What `work` says in a process without root's rights (to root nothing is read-only)."""
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            work()
            os.write(write, b"done")
        except Exception as error:
            os.write(write, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(write)
    os.wait()
    with os.fdopen(read, "rb") as pipe:
        return pipe.read().decode()


def test_a_read_only_folder_is_said_before_any_work(tmp_path, monkeypatch):
    """A run that cannot be written where it should; a cache that cannot, where images could be fetched."""
    closed = tmp_path / ODD
    closed.mkdir()
    closed.chmod(0o555)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    for name in ("GANLIB_OFFLINE", "GANLIB_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(data, "_failures", {})
    monkeypatch.setattr(data, "cache_folder", lambda: closed / "data")
    monkeypatch.setattr(data, "_answering", lambda kind: ["http://127.0.0.1:9/"])
    said = as_nobody(lambda: record._refuse_to_overwrite(closed / "run.safetensors", False))
    assert said.startswith("RecordError: Không ghi được tệp") and "Hãy chọn một thư mục" in said
    said = as_nobody(lambda: data.load("mnist"))
    assert said.startswith("DataError: Không ghi được vào thư mục") and "GANLIB_OFFLINE" in said
    assert not list(closed.iterdir())


@pytest.mark.slow
def test_a_run_in_a_folder_with_spaces_and_marks(tmp_path):
    """Letters with marks, spaces, a quote: the command that is printed to go on is one that a shell takes."""
    out = tmp_path / f"{ODD} 'của tôi'" / "kết quả.safetensors"
    words = "--epochs 3 --first 60 --m 20 --hidden-G 8 --hidden-D 8 --score-every 0 --device cpu".split()
    code = (
        "import sys; from ganlib import algorithm, __main__\n"
        "def stop(epoch): raise KeyboardInterrupt\n"
        "algorithm.Epoch.__str__ = stop\nsys.exit(__main__.main(sys.argv[1:]))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, "train", "mnist", "--out", str(out), *words]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    again = ran.stderr.strip().splitlines()[-1].strip()
    assert ran.returncode == 1 and again.startswith("python -m ganlib") and again.endswith("--resume")
    shell = again.replace("python", f"'{sys.executable}'", 1)
    done = subprocess.run(shell, shell=True, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert record.Record.load(out).epochs == 3 and not record.resume_path(out).exists()


def test_windows_separators():
    """No path is put together with a slash where Windows would want its own; and none is compared as text."""
    path = PureWindowsPath(r"C:\Bài tập\kết quả.safetensors")
    assert PureWindowsPath(f"{path}.resume").name == "kết quả.safetensors.resume"
    assert PureWindowsPath(r"D:\data", "MNIST/raw/t10k").parts == ("D:\\", "data", "MNIST", "raw", "t10k")
    for module in (ROOT / "ganlib").glob("*.py"):
        text = module.read_text(encoding="utf-8")
        assert not re.search(r"os\.path\.join|os\.sep|\+ ?['\"]/", text), module.name
        for line in text.splitlines():  # a text file is UTF-8 on Windows too
            assert not re.search(r"(read_text|write_text|open)\(\)", line), (module.name, line)
    assert data.ASSETS.is_absolute()


# --------------------------------------------------------------------------------------- Jupyter itself


@pytest.mark.slow
def test_the_readme_s_command_serves_on_localhost_with_a_token(tmp_path):
    """`jupyter lab notebooks` as it stands: other addresses reach nothing, and no token no answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", str(ROOT / "notebooks"), "--no-browser", f"--port={port}"]
    command += ["--allow-root"] * (sys.platform != "win32" and os.geteuid() == 0)
    folders = {name: str(tmp_path) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "HOME")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    server = subprocess.Popen(command, env=environment | folders, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        while "token=" not in said:
            line = server.stderr.readline()
            assert line, said
            said += line
        address, token = re.search(r"http://(\S+?)/lab\S*\?token=(\w+)", said).groups()
        assert address in (f"localhost:{port}", f"127.0.0.1:{port}") and len(token) >= 32
        contents = f"http://{address}/api/contents"
        wait_for(f"http://{address}/api/status?token={token}", server, tmp_path / "log")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(contents, timeout=20)
        assert refused.value.code == 403
        with urllib.request.urlopen(f"{contents}?token={token}", timeout=20) as page:
            assert page.status == 200
        others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for other in others - {"127.0.0.1", "127.0.1.1"}:
            with pytest.raises(OSError):
                socket.create_connection((other, port), timeout=2)
    finally:
        server.terminate()
        server.wait(30)


def test_nothing_turns_a_protection_of_jupyter_off():
    """The README speaks of root in a container alone, and says what must stay; nothing is configured."""
    off = r"(token|password)=['\"]{2}|disable_check_xsrf|allow_(origin|unauthenticated)|ip=(0\.0\.0\.0|\*)"
    texts = [ROOT / "README.md", *(ROOT / "ganlib").glob("*.py"), *NOTEBOOKS, ROOT / ".ci" / "run"]
    assert [path.name for path in texts if re.search(off, path.read_text(encoding="utf-8"))] == []
    folders = [ROOT / name for name in (".ci", "ganlib", "images", "notebooks", "tests")]  # not in .venv
    inside = [path for folder in folders for path in folder.rglob("jupyter*config*")]
    assert not [*ROOT.glob("jupyter*config*"), *inside]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for words in (
        "jupyter lab password",
        "--certfile",
        "tường lửa",
        "JupyterHub",
        "đừng bao giờ để token rỗng",
    ):
        assert words in readme
