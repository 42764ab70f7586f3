"""ganlib.data: the shipped sets, whole and bit for bit; where torchvision finds them; what is said when it cannot."""

import hashlib
import pickle
import shutil
import socket
from unittest.mock import Mock

import pytest
import torch
from torch.utils.data import DataLoader
from torchvision import datasets

from ganlib import data
from ganlib.data import DataError, to_float, to_pixels, transform

SUMS = {  # of the pixels and labels of the official files
    ("mnist", True): (60_000, "edc0d1098aa497be"),
    ("mnist", False): (10_000, "c3f9adf9c66efb57"),
    ("fashion", True): (60_000, "16d82e2b505296aa"),
    ("fashion", False): (10_000, "9f1ec356a747bfe4"),
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """torchvision's files go to a folder of this test's own; any look at the network fails it."""

    monkeypatch.setattr(data, "folder", lambda: tmp_path)
    for ask in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, ask, Mock(side_effect=AssertionError("asked the network")))
    return tmp_path


@pytest.mark.parametrize(("name", "train"), SUMS)
def test_the_sets_are_the_official_ones_in_full(name, train):
    images = data.load(name, train)
    content = images.pixels.numpy().tobytes() + images.labels.to(torch.uint8).numpy().tobytes()
    assert (len(images), hashlib.sha256(content).hexdigest()[:16]) == SUMS[name, train]
    assert images.pixels.shape[1:] == (28, 28) and images.labels.dtype == torch.int64
    first = data.load(name, train, n=50)
    assert torch.equal(first.pixels, images.pixels[:50]) and len(first) == len(first.labels) == 50


def test_batches_are_bit_for_bit_those_of_torchvision_s_own_set(home):
    images = data.load("mnist", train=False)
    theirs = datasets.MNIST(data.unpack("mnist"), train=False, transform=transform, download=True)
    for dataset in (data.dataset("mnist", train=False), theirs):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:200]
        ((x, y),) = DataLoader(dataset, batch_size=200, sampler=order.tolist())
        assert x.dtype == images.batch(order).dtype == torch.float32 and x.shape == (200, 1, 28, 28)
        assert torch.equal(x, images.batch(order)) and torch.equal(y, images.labels[order])
        for_workers = pickle.loads(pickle.dumps(dataset))
        assert torch.equal(for_workers[3][0], dataset[3][0])
    assert not list(home.rglob("*.part"))


def test_every_byte_maps_as_in_the_transform_and_back():
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    x = to_float(every)
    assert torch.equal(x[0], transform(every[0].numpy())) and torch.equal(to_pixels(x)[:, 0], every)
    assert torch.equal(to_float(every[:, None]), x)
    beyond = torch.tensor([-1.2, -1.0, 0.0, 1.0, 1.2], requires_grad=True)
    assert to_pixels(beyond).tolist() == [0, 0, 128, 255, 255]
    with pytest.raises(TypeError, match="uint8"):
        to_float(torch.zeros(2, 28, 28))


def test_usual_names():
    assert [data.canonical(name) for name in ("mnist", "MNIST")] == ["mnist"] * 2
    assert [data.canonical(name) for name in ("Fashion-MNIST", "fashion_mnist", "FashionMNIST")] == ["fashion"] * 3
    with pytest.raises(DataError, match="'cifar'.*'mnist' hoặc 'fashion'"):
        data.load("cifar")


def test_a_damaged_or_missing_file_is_told(tmp_path, monkeypatch):
    shutil.copytree(data.ASSETS / "MNIST", tmp_path / "MNIST")
    monkeypatch.setattr(data, "ASSETS", tmp_path)
    shipped = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte.xz"
    content = shipped.read_bytes()
    for damaged in (content[:-200], content[:2000] + b"?" + content[2001:], b"", None):
        shipped.unlink() if damaged is None else shipped.write_bytes(damaged)
        with pytest.raises(DataError, match="train-labels.*thiếu hoặc hỏng.*Hãy cài lại ganlib"):
            data.unpacked("mnist", "train-labels-idx1-ubyte")
