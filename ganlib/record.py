"""One finished run as one file, and what an unfinished one needs to go on; safetensors both, no pickle.

FILE holds what was set, measured, scored and drawn, and G's weights; FILE.resume the whole state of a run.
"""

import json
import math
import platform
import tempfile
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ganlib import algorithm, checks, files, parallel
from ganlib.data import Images, to_pixels
from ganlib.networks import Generator
from ganlib.state import FIXED_IMAGES

VERSION = 1  # of the file's layout
LIMIT = 8_000_000  # bytes: a record that would be longer keeps the averaged G only
REST = 20_000  # bytes: more than all but images and weights takes in 100 epochs
PER_EPOCH = ("loss_D", "loss_G", "D_x", "D_Gz", "seconds", "images")


class RecordError(RuntimeError):
    """A record cannot be read, written or gone on with; the message (Vietnamese) says what to do."""


@dataclass(frozen=True, eq=False)
class Record:
    """A finished run of E epochs on `count` images. Raises RecordError: see `load`."""

    data: str  # "mnist" or "fashion"
    count: int  # how many images it was trained on
    source: str  # where they came from, as in data.Images
    epochs: int
    score_every: int
    settings: dict  # algorithm.Settings, seed included
    precision: str
    processor: str
    versions: dict  # of python and torch
    loss_D: torch.Tensor  # (E,) float32, as are loss_G, D_x, D_Gz: means over the epoch's iterations
    loss_G: torch.Tensor
    D_x: torch.Tensor
    D_Gz: torch.Tensor
    seconds: torch.Tensor  # (E,) float32: of training, without scoring
    images: torch.Tensor  # (E, 36, 28, 28) uint8: what the fixed noise gives after each epoch
    scores: dict  # name -> (E,) float32; NaN where not scored
    weights: dict  # "G.NAME" and "G_avg.NAME" -> fp16

    def generator(self, averaged=True):
        """G after the last epoch, ready to draw; averaged: of its weights, if the run took an average."""
        part = "G_avg." if averaged and self.settings["average"] else "G."
        weights = {name: values.float() for name, values in _under(part, self.weights).items()}
        if not weights:
            raise RecordError("Để tệp không quá lớn, bản ghi này chỉ giữ trọng số trung bình của G: hãy gọi "
                              "generator(averaged=True).")  # fmt: skip
        G = Generator(self.settings["latent_dim"], self.settings["hidden_G"])
        G.load_state_dict(weights)
        return G.eval()

    def save(self, path):
        """Write it atomically. Raises RecordError if that folder cannot be written."""
        about = {name: getattr(self, name) for name in ABOUT}
        tensors = {name: getattr(self, name) for name in PER_EPOCH}
        tensors |= {f"score.{name}": values for name, values in self.scores.items()} | self.weights
        _write(path, "record", about, tensors)

    @classmethod
    def load(cls, path):
        """The record in that file. RecordError: none there, cut short, another kind of file or version."""
        checks.instance("path", path, str | Path, "đường dẫn của một tệp")
        about, tensors = _read(path, "record")
        try:
            about["settings"] = {n: tuple(v) if type(v) is list else v for n, v in about["settings"].items()}
            kept = {name: about[name] for name in ABOUT} | {name: tensors[name] for name in PER_EPOCH}
            weights = {name: values for name, values in tensors.items() if name.startswith("G")}
            record, E = cls(**kept, scores=_under("score.", tensors), weights=weights), about["epochs"]
            shapes = [tuple(kept[name].shape) for name in PER_EPOCH]
            if shapes != [(E,)] * 5 + [(E, FIXED_IMAGES, 28, 28)]:
                raise ValueError(shapes)
            record.generator()
        except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
            raise RecordError(_say(path, "nội dung thiếu hoặc sai kích thước")) from error
        return record


ABOUT = tuple(field.name for field in fields(Record))[:9]


def _under(prefix, tensors):
    """Those tensors whose name begins so, by the rest of their name."""
    return {name[len(prefix) :]: values for name, values in tensors.items() if name.startswith(prefix)}


# ------------------------------------------------------------------------------------------------ a run


def resume_path(path):
    """Where the unfinished run that would become the record `path` is kept."""
    return Path(f"{path}.resume")


def run(images, path, epochs=100, *, resume=False, score=None, score_every=10, **options):
    """Train as algorithm.train does and yield its Epochs; after the last one the Record is in `path`.

    images: data.Images. options: those of algorithm.start. score(state) -> {name: number} is asked each
    `score_every` epochs and after the last. After every other epoch FILE.resume holds all it takes to go on:
    resume=True does so, to the same record, bit for bit but for `seconds`. RecordError, before any work:
    `path` or FILE.resume is there already, or (resume) FILE.resume is missing, unreadable or of another run.
    """
    checks.instance("path", path, str | Path, "đường dẫn của một tệp")
    checks.instance("images", images, Images, "data.Images (từ ganlib.data.load)")
    checks.whole("epochs", epochs)
    checks.whole("score_every", score_every)
    checks.require(score is None or callable(score), "score", "một hàm nhận state", score, TypeError)
    path, state = Path(path), algorithm.start(**options)
    about = {
        "data": images.name,
        "count": len(images),
        "source": images.source,
        "epochs": epochs,
        "score_every": score_every,
        "settings": asdict(state.settings),
        "precision": state.precision,
        "processor": processor(state.device),
        "versions": {"python": platform.python_version(), "torch": version("torch")},
    }
    _refuse_to_overwrite(path, resume)
    history = _go_on(resume_path(path), about, state) if resume else {}
    parallel.split(state)
    return _run(algorithm.train(images, epochs, state=state), path, about, history, score)


def _run(epochs, path, about, history, score):
    last, every = about["epochs"], about["score_every"]
    for epoch in epochs:
        if parallel.rank():  # the first process keeps what all have reached
            yield epoch
            continue
        row = {name: getattr(epoch, name) for name in PER_EPOCH}
        row["images"] = to_pixels(epoch.images[:, 0])
        if score and (epoch.epoch % every == 0 or epoch.epoch == last):
            row |= {f"score.{name}": float(value) for name, value in score(epoch.state).items()}
        for name in row | history:
            past = history.get(name, torch.full((epoch.epoch - 1,), math.nan))
            now = torch.as_tensor(row.get(name, math.nan))[None]
            history[name] = torch.cat([past, now]) if len(past) else now
        if epoch.epoch < last:
            tensors = {}
            tree = _flatten({"state": epoch.state.state_dict(), "history": history}, "", tensors)
            _write(resume_path(path), "resume", about | {"tree": tree}, tensors)
        else:
            _record(about, history, epoch.state).save(path)
            resume_path(path).unlink(missing_ok=True)
        yield epoch


def _record(about, history, state):
    kept, scores = {name: history[name] for name in PER_EPOCH}, _under("score.", history)
    parts = [name for name in ("G_avg", "G") if getattr(state, name) is not None]
    size = sum(p.numel() * 2 for p in state.G.parameters())
    if len(parts) * size + kept["images"].numel() > LIMIT - REST:
        parts = parts[:1]
    weights = {f"{p}.{n}": w.half().cpu() for p in parts for n, w in getattr(state, p).state_dict().items()}
    return Record(**about, **kept, scores=scores, weights=weights)


def _refuse_to_overwrite(path, resume):
    unfinished, why = resume_path(path), None
    if path.exists():
        why = f"Tệp {path} đã có; ganlib không ghi đè. Hãy chọn tên khác, hoặc tự xoá hay đổi tên tệp ấy."
        if resume:
            why = f"Tệp {path} đã có: lần huấn luyện ấy đã xong, không còn gì để chạy tiếp. {why}"
    elif resume and not unfinished.exists():
        why = f"Không có tệp {unfinished} để chạy tiếp. Hãy bỏ --resume (resume=True) để chạy từ đầu."
    elif unfinished.exists() and not resume:
        why = (
            f"Tệp {unfinished} giữ một lần huấn luyện đang dở. Hãy thêm --resume (resume=True) để chạy tiếp, "
            "chọn tên khác, hoặc tự xoá tệp ấy để chạy lại từ đầu."
        )
    if why:
        raise RecordError(why)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise RecordError(_cannot_write(path, error)) from error


def _go_on(path, about, state):
    """Bring `state` to where the unfinished run in `path` is; returns its history."""
    saved, tensors = _read(path, "resume")
    now = json.loads(json.dumps(about))
    fixed = ("data", "count", "epochs", "score_every", "precision")
    was, now = ({name: a[name] for name in fixed} | a["settings"] for a in (saved, now))
    changed = [n for n in was | now if was.get(n) != now.get(n)]
    others = [f"{n} (đang dở: {was.get(n)}, bây giờ: {now.get(n)})" for n in changed]
    if others:
        raise RecordError(
            f"Không chạy tiếp được {path}: lần ấy dùng lựa chọn khác, ở {'; '.join(others)}. "
            "Hãy dùng lại đúng các lựa chọn ấy, hoặc bỏ --resume và chọn tên khác."
        )
    tree = _unflatten(saved["tree"], tensors)
    tree["state"]["fixed_noise"] = tree["state"]["fixed_noise"].to(state.device)
    state.load_state_dict(tree["state"])
    return tree["history"]


def processor(device):
    """The name of the processor that trains: the GPU's, or the CPU's."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


# ---------------------------------------------------------------------------------------------- the file


def _flatten(tree, name, tensors):
    """The tree of dicts and lists as JSON can hold it, its tensors moved into `tensors` by their place."""
    if isinstance(tree, torch.Tensor):
        tensors[name] = tree.contiguous()
        return {"tensor": name}
    if isinstance(tree, dict):  # keys may be numbers, as those of an optimizer's state are
        return {"dict": [[key, _flatten(value, f"{name}.{key}", tensors)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        return [_flatten(value, f"{name}.{i}", tensors) for i, value in enumerate(tree)]
    return tree


def _unflatten(tree, tensors):
    if isinstance(tree, list):
        return [_unflatten(value, tensors) for value in tree]
    if not isinstance(tree, dict):
        return tree
    if "tensor" in tree:
        return tensors[tree["tensor"]]
    return {key: _unflatten(value, tensors) for key, value in tree["dict"]}


def _cannot_write(path, error):
    return f"Không ghi được tệp {path} ({error.strerror}). Hãy chọn một thư mục ghi được và còn chỗ trống."


def _say(path, what):
    return (
        f"Không đọc được {path}: {what}. Hãy lấy lại tệp từ nơi bạn đã nhận nó (kho mã, với tệp đi kèm), "
        "hoặc huấn luyện lại: python -m ganlib train."
    )


def _write(path, kind, about, tensors):
    """Tensors and `about` (as JSON) in one sealed file. Raises RecordError."""
    about = {"kind": kind, "version": VERSION, "seal": files.SEAL} | about
    tensors = {name: values.contiguous() for name, values in tensors.items()}
    try:
        files.write(path, files.seal(save(tensors, {"ganlib": json.dumps(about, ensure_ascii=False)})))
    except OSError as error:
        raise RecordError(_cannot_write(path, error)) from error


def _read(path, kind):
    """(about, tensors) of a file that `_write` wrote. Raises RecordError."""
    if not Path(path).is_file():
        raise RecordError(_say(path, "không có tệp nào tên như thế"))
    try:
        content = Path(path).read_bytes()
        if not files.intact(content):
            raise ValueError("seal")
        tensors = dict(sorted(load(content).items()))
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = json.loads(header.get("__metadata__", {}).get("ganlib", "null"))
    except OSError as error:
        raise RecordError(_say(path, error.strerror or "hệ điều hành báo lỗi khi đọc")) from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise RecordError(_say(path, "tệp bị cắt cụt hoặc hỏng, hay không phải là safetensors")) from error
    if not isinstance(about, dict) or about.get("kind") != kind:
        raise RecordError(_say(path, "đây không phải là bản ghi một lần huấn luyện của ganlib"))
    if about.get("version") != VERSION:
        what = f"bản ghi thuộc phiên bản {about.get('version')}, ganlib này đọc phiên bản {VERSION}"
        raise RecordError(_say(path, what))
    return about, tensors
