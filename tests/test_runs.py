"""The helpers of every run (epochs, count, expect, report); and that test runs are reduced ones."""

import os

import nbformat
import pytest
import torch
from nbclient import NotebookClient

import ganlib


def test_test_runs_are_reduced_in_kernels_too():
    assert os.environ["GANLIB_OFFLINE"] == "1" and ganlib.epochs(50) == 1
    cell = nbformat.v4.new_code_cell("import ganlib\nprint(ganlib.epochs(50))")
    notebook = NotebookClient(nbformat.v4.new_notebook(cells=[cell]), kernel_name="python3").execute()
    assert notebook.cells[0].outputs[0].text == "1\n"


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "một"])
def test_a_bad_epoch_count_is_named(monkeypatch, value):
    monkeypatch.setenv("GANLIB_EPOCHS", value)
    with pytest.raises(ValueError, match=f"GANLIB_EPOCHS phải là một số nguyên dương .*{value}"):
        ganlib.epochs(50)


@pytest.mark.parametrize("value, where", [(1.2134, "trong"), (0.9, "ngoài"), (float("nan"), "ngoài")])
def test_expect_says_where_the_number_lies(monkeypatch, capsys, value, where):
    """A number outside is only said; it is an error when the notebooks are refreshed."""
    monkeypatch.delenv("GANLIB_STRICT", raising=False)
    ganlib.expect("loss_D", torch.tensor(value, requires_grad=True), 1.0, 1.4)
    said = capsys.readouterr().out
    assert said.startswith(f"loss_D: {value:.4g}, {where} khoảng") and "(1 … 1.4)" in said
    monkeypatch.setenv("GANLIB_STRICT", "1")
    if where == "ngoài":
        with pytest.raises(AssertionError, match="ngoài khoảng"):
            ganlib.expect("loss_D", value, 1.0, 1.4)


def test_report_seeds_torch_and_names_no_path(capsys):
    device = ganlib.report(3, "matplotlib")
    first = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(first, torch.rand(2)) and isinstance(device, torch.device)
    out = capsys.readouterr().out
    assert torch.__version__.split("+")[0] in out and "matplotlib" in out and "Seed: 3" in out
    assert "rút gọn: 1 epoch" in out and "/" not in out and "\\" not in out
