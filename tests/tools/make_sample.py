"""Make the shipped sample, ganlib/assets/sample, from the full sets: python tests/tools/make_sample.py

Of every class, 1,000 training and 100 test images, evenly spaced over the class, kept in the order of the
full files. Nothing is drawn at random and xz stores no time, so running it again gives the same bytes
(the .xz files by the same liblzma; the files inside them always).
"""

import hashlib
import lzma
import struct

import torch

from ganlib import data, sources

SAMPLE = sources.ASSETS / "sample"


def balanced(labels, count):
    """Indices of `count` images of each class, sorted: (10 * count,) int64."""
    members = [torch.nonzero(labels == digit).flatten() for digit in range(10)]
    return torch.cat([m[torch.arange(count) * len(m) // count] for m in members]).sort().values


def idx(tensor):
    """A uint8 tensor as the bytes of an IDX file: magic number, big-endian sizes, content."""
    header = struct.pack(f">{1 + tensor.dim()}I", 0x0800 + tensor.dim(), *tensor.shape)
    return header + tensor.contiguous().numpy().tobytes()


def main():
    sums = []
    for name in data.NAMES:
        for train, prefix, count in ((True, "train", 1000), (False, "t10k", 100)):
            images = data.load(name, train)
            if images.source == "sample":
                raise SystemExit(images.message)
            chosen = balanced(images.labels, count)
            pixels, labels = images.pixels[chosen], images.labels[chosen].to(torch.uint8)
            for kind, tensor in (("images-idx3", pixels), ("labels-idx1", labels)):
                path = f"{sources.KINDS[name].__name__}/raw/{prefix}-{kind}-ubyte"
                (SAMPLE / path).parent.mkdir(parents=True, exist_ok=True)
                packed = lzma.compress(idx(tensor), preset=9 | lzma.PRESET_EXTREME)
                (SAMPLE / f"{path}.xz").write_bytes(packed)
                sums.append(f"{hashlib.sha256(idx(tensor)).hexdigest()}  {path}\n")
                print(f"{path}.xz  {len(packed):,} bytes")
    (SAMPLE / "SHA256SUMS").write_text("".join(sums), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
