"""The run helpers (epochs, count, expect, report), and that test runs are reduced ones, kernels included."""

import os
import subprocess
import sys

import pytest

import ganlib


def test_this_test_run_is_reduced():
    assert os.environ["GANLIB_EPOCHS"] == "1" and os.environ["GANLIB_OFFLINE"] == "1"
    assert ganlib.epochs(50) == 1 and ganlib.count(1000, 10) == 10


def test_kernels_run_reduced():
    import nbformat
    from nbclient import NotebookClient

    cell = nbformat.v4.new_code_cell("import ganlib\nprint(ganlib.epochs(50))")
    notebook = NotebookClient(nbformat.v4.new_notebook(cells=[cell]), kernel_name="python3").execute()
    assert notebook.cells[0].outputs[0].text == "1\n"


@pytest.mark.parametrize("value", [None, "", " "])
def test_full_runs(monkeypatch, value):
    monkeypatch.delenv("GANLIB_EPOCHS")
    if value is not None:
        monkeypatch.setenv("GANLIB_EPOCHS", value)
    assert ganlib.epochs(50) == 50 and ganlib.count(1000, 10) == 1000


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "một"])
def test_a_bad_epoch_count_is_named(monkeypatch, value):
    monkeypatch.setenv("GANLIB_EPOCHS", value)
    with pytest.raises(ValueError, match=f"GANLIB_EPOCHS phải là một số nguyên dương .*{value}"):
        ganlib.epochs(50)


def test_expect_says_where_the_number_lies(monkeypatch, capsys):
    monkeypatch.delenv("GANLIB_STRICT", raising=False)
    ganlib.expect("loss_D", 1.2134, 1.0, 1.4)
    assert capsys.readouterr().out == "loss_D = 1.213, trong khoảng 1 … 1.4 như lời văn\n"
    ganlib.expect("loss_D", 1.5, 1.0, 1.4)
    out = capsys.readouterr().out
    assert "ngoài khoảng 1 … 1.4" in out and "rút gọn" in out


@pytest.mark.parametrize("value", [0.9, 1.5, float("nan")])
def test_expect_is_strict_when_notebooks_are_refreshed(monkeypatch, value):
    monkeypatch.setenv("GANLIB_STRICT", "1")
    ganlib.expect("loss_D", 1.2, 1.0, 1.4)
    with pytest.raises(AssertionError, match="ngoài khoảng"):
        ganlib.expect("loss_D", value, 1.0, 1.4)


def test_report_seeds_torch_and_names_no_path(capsys):
    import torch

    device = ganlib.report(3, "matplotlib")
    first = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(first, torch.rand(2)) and isinstance(device, torch.device)
    out = capsys.readouterr().out
    assert f"torch {torch.__version__.split('+')[0]}" in out and "matplotlib" in out and "Seed: 3" in out
    assert "rút gọn: 1 epoch" in out
    assert os.sep not in out.replace("/", os.sep) and 5 <= len(out.splitlines()) <= 6


def test_import_is_light():
    code = "import sys, ganlib; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
