"""Files that are there whole or not at all: written in one step, and sealed: no byte changes unseen."""

import contextlib
import glob
import hashlib
import os
import time
from pathlib import Path

MARK, LENGTH = b"sha256:", 64
SEAL = MARK.decode() + "0" * LENGTH  # what a content carries where its seal will stand


def write(path, content):
    """Write the bytes so that a reader sees the old file or the new one, never a part. Raises OSError.

    Each process has a part of its own, so two that write the same file don't mix.
    """
    path = Path(path)
    for old in left_behind(path.parent, f"{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError):
            old.unlink()
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def left_behind(folder, pattern):
    """Yields what a process that was killed left there: nothing unfinished that is an hour old goes on."""
    for old in Path(folder).glob(pattern):
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            if time.time() - old.stat().st_mtime > 3600:
                yield old


def seal(content):
    """The content with the SHA-256 of all its bytes in place of the zeros of its first SEAL."""
    start = content.index(SEAL.encode()) + len(MARK)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:start] + digest + content[start + LENGTH :]


def intact(content):
    """Whether the content is as it was sealed; True for one that carries no seal."""
    start = content.find(MARK) + len(MARK)
    if start < len(MARK):
        return True
    digest = hashlib.sha256(content[:start] + b"0" * LENGTH + content[start + LENGTH :]).hexdigest()
    return digest.encode() == content[start : start + LENGTH]
