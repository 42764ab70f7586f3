"""Files that are there whole or not at all: written in one step, and sealed: no byte changes unseen."""

import hashlib
import os
from pathlib import Path

MARK, LENGTH = b"sha256:", 64
SEAL = MARK.decode() + "0" * LENGTH  # what a content carries where its seal will stand


def write(path, content):
    """Write the bytes so that a reader sees the old file or the new one, never a part. Raises OSError.

    Each process has a part of its own, so two that write the same file don't mix.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def seal(content):
    """The content with the SHA-256 of all its bytes in place of the zeros of its first SEAL."""
    start = content.index(SEAL.encode()) + len(MARK)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:start] + digest + content[start + LENGTH :]


def intact(content):
    """Whether the content is as it was sealed; False for one that carries no seal."""
    start = content.find(MARK) + len(MARK)
    digest = hashlib.sha256(content[:start] + b"0" * LENGTH + content[start + LENGTH :]).hexdigest()
    return start >= len(MARK) and digest.encode() == content[start : start + LENGTH]
