"""Notebooks as readers run them: out of order, twice, two at once, in odd folders; and JupyterLab itself."""

import random
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import nbformat
import pytest
from conftest import ALONE, HANGS, NOTEBOOKS, ROOT, code_cells, each_notebook, start_server, wait_for
from nbclient import NotebookClient


@pytest.mark.slow
@each_notebook
def test_out_of_order_then_run_all(path):
    """One kernel: the cells shuffled, where a name may be missing or ganlib say what is; then Run All."""
    cells = code_cells(path)
    shuffled = random.Random(0).sample(cells, len(cells))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in shuffled + cells])
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=HANGS, allow_errors=True, resources=place).execute()
    errors = [[o for o in cell.outputs if o.output_type == "error"] for cell in notebook.cells]
    for error in sum(errors[: len(cells)], []):
        assert error.ename == "NameError" or not error.evalue.isascii(), error.evalue
    assert sum(errors[len(cells) :], []) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["05_ket_qua", "10_phu_luc_toc_do"])
def test_two_at_once_in_a_folder_with_spaces_and_marks(name, tmp_path):
    """A copy of the project there; two kernels run one notebook side by side: those that write files."""
    project = tmp_path / "Bài tập về GAN, lần 2"
    shutil.copytree(ROOT / "ganlib", project / "ganlib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)
    (project / "notebooks").mkdir()
    copy = shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", project / "notebooks")
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", str(copy), "--output"]
    pipes = {"env": ALONE | {"PYTHONPATH": str(project)}, "stderr": subprocess.PIPE}
    both = [subprocess.Popen([*command, f"{i}.ipynb"], **pipes) for i in range(2)]
    said = [process.communicate(timeout=HANGS)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert str(ROOT) not in (project / "notebooks" / "0.ipynb").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_readme_s_command_serves_on_localhost_with_a_token(tmp_path):
    """`jupyter lab notebooks` as it stands: other addresses reach nothing, and no token no answer."""
    server, port = start_server(tmp_path, str(ROOT / "notebooks"), stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        while "token=" not in said:
            line = server.stderr.readline()
            assert line, said
            said += line
        address, token = re.search(r"http://(\S+?)/lab\S*\?token=(\w+)", said).groups()
        assert address in (f"localhost:{port}", f"127.0.0.1:{port}") and len(token) >= 32
        wait_for(f"http://{address}/api/status?token={token}", server)
        contents = f"http://{address}/api/contents"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(contents, timeout=60)
        assert refused.value.code == 403
        with urllib.request.urlopen(f"{contents}?token={token}", timeout=60) as page:
            assert page.status == 200
        others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for other in others - {"127.0.0.1", "127.0.1.1"}:
            with pytest.raises(OSError):
                socket.create_connection((other, port), timeout=2)
    finally:
        server.terminate()
        server.wait(HANGS)


def test_nothing_turns_a_protection_of_jupyter_off():
    off = r"(token|password)=['\"]{2}|disable_check_xsrf|allow_(origin|unauthenticated)|ip=(0\.0\.0\.0|\*)"
    texts = [ROOT / "README.md", *(ROOT / "ganlib").rglob("*.py"), *NOTEBOOKS, ROOT / ".ci" / "run"]
    assert [path.name for path in texts if re.search(off, path.read_text(encoding="utf-8"))] == []
    folders = [ROOT / name for name in (".ci", "ganlib", "images", "notebooks", "tests")]  # not in .venv
    inside = [path for folder in folders for path in folder.rglob("jupyter*config*")]
    assert not [*ROOT.glob("jupyter*config*"), *inside]
