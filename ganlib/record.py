"""One finished run as one file (safetensors), and an unfinished one as a file to go on from (torch.save).

FILE holds what was set, measured, scored and drawn, and G's weights; FILE.resume the whole state of a run.
Both carry a SHA-256 of all their bytes, and nothing in them is ever executed.
"""

import hashlib
import io
import json
import math
import pickle
import platform
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors

from ganlib import check, fast, files, training
from ganlib.data import Images, to_pixels
from ganlib.networks import Generator

VERSION = 1  # of the file's layout
ABOUT = ("data", "count", "source", "epochs", "score_every", "settings", "precision", "processor", "versions")
MAY_DIFFER = ("source", "processor", "versions", "settings")  # settings: compared one by one
PER_EPOCH = ("loss_D", "loss_G", "D_x", "D_Gz", "seconds", "images")


class RecordError(RuntimeError):
    """A record cannot be read, written or gone on with; the message (Vietnamese) says what to do."""


@dataclass(frozen=True, eq=False)
class Record:
    """A finished run of E epochs on `count` images: see `load`, `train_and_record`."""

    data: str  # "mnist" or "fashion"
    count: int  # how many images it was trained on
    source: str  # where they came from, as in data.Images
    epochs: int
    score_every: int
    settings: dict  # those of training.Settings, seed included
    precision: str
    processor: str
    versions: dict  # of python and torch
    loss_D: torch.Tensor  # (E,) float32, as is loss_G: means over the epoch's iterations
    loss_G: torch.Tensor
    D_x: torch.Tensor  # (E,) float32, as is D_Gz: training.answers
    D_Gz: torch.Tensor
    seconds: torch.Tensor  # (E,) float32: of training, without scoring
    images: torch.Tensor  # (E, 36, 28, 28) uint8: what the fixed noise gives after each epoch
    scores: dict  # name -> (E,) float32; NaN where not scored
    weights: dict  # "G.NAME" and "G_avg.NAME" -> fp16

    def generator(self, averaged=True):
        """G after the last epoch, ready to draw; averaged: of its weights, if the run took an average."""
        part = "G_avg." if averaged and self.settings["average"] else "G."
        G = Generator(self.settings["latent_dim"], self.settings["hidden_G"])
        G.load_state_dict({name: values.float() for name, values in _under(part, self.weights).items()})
        return G.eval()

    def save(self, path):
        """Write it atomically. Raises RecordError if that folder cannot be written."""
        about = {"kind": "record", "version": VERSION, "seal": files.SEAL}
        about |= {name: getattr(self, name) for name in ABOUT}
        tensors = {name: getattr(self, name).contiguous() for name in PER_EPOCH}
        tensors |= {f"score.{name}": values for name, values in self.scores.items()} | self.weights
        _write(path, safetensors.save(tensors, {"ganlib": json.dumps(about, ensure_ascii=False)}))


def load(path):
    """The Record in that file. RecordError: none there, cut short, changed, or another file."""
    check.instance("path", path, str | Path, "đường dẫn của một tệp")
    content = _read(path)
    try:
        tensors = dict(sorted(safetensors.load(content).items()))
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = json.loads(header["__metadata__"]["ganlib"])
        if about["version"] != VERSION:
            what = f"bản ghi thuộc phiên bản {about['version']}, ganlib này đọc phiên bản {VERSION}"
            raise RecordError(_say(path, what))
        about["settings"] = {n: tuple(v) if type(v) is list else v for n, v in about["settings"].items()}
        kept = {name: about[name] for name in ABOUT} | {name: tensors[name] for name in PER_EPOCH}
        weights = {name: values for name, values in tensors.items() if name.startswith("G")}
        return Record(**kept, scores=_under("score.", tensors), weights=weights)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RecordError(_say(path, "đây không phải là bản ghi một lần huấn luyện của ganlib")) from error


def _under(prefix, tensors):
    """Those tensors whose name begins so, by the rest of their name."""
    return {name[len(prefix) :]: values for name, values in tensors.items() if name.startswith(prefix)}


# ------------------------------------------------------------------------------------------------ a run


def resume_path(path):
    """Where the unfinished run that would become the record `path` is kept."""
    return Path(f"{path}.resume")


def train_and_record(images, path, epochs=100, *, resume=False, score=None, score_every=10, **options):
    """Train as training.train does and yield its Epochs; after the last one the Record is in `path`.

    images: data.Images. options: those of training.start. score(state) -> {name: number} is asked each
    `score_every` epochs and after the last. After every other epoch FILE.resume holds all it takes to go on:
    resume=True does so, to the same record, bit for bit but for `seconds`. RecordError, before any work:
    `path` or FILE.resume is there already, or (resume) FILE.resume is missing, unreadable or of another run.
    """
    check.instance("path", path, str | Path, "đường dẫn của một tệp")
    check.instance("images", images, Images, "data.Images (từ ganlib.data.load)")
    check.whole("epochs", epochs)
    check.whole("score_every", score_every)
    path, state = Path(path), training.start(**options)
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
    content = hashlib.sha256(images.pixels.numpy()).hexdigest()
    run = about | {"tricks": state.tricks, "device": state.device.type, "images": content}
    history = _go_on(resume_path(path), run, state) if resume else {}
    state.rows = fast.share(state.D, state.G, state.optimizer_D, state.optimizer_G, state.settings.m)
    return _run(training.train(images, epochs, state=state), path, about, run, history, score)


def _run(epochs, path, about, run, history, score):
    last, every = about["epochs"], about["score_every"]
    for epoch in epochs:
        if fast.rank():  # the first process keeps what all have reached
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
            kept = io.BytesIO()
            torch.save({"run": run, "state": epoch.state.state_dict(), "history": history}, kept)
            _write(resume_path(path), files.SEAL.encode() + kept.getvalue())
        else:
            parts = {name: part for name, part in epoch.state.parts().items() if name in ("G", "G_avg")}
            weights = {f"{p}.{n}": w.half().cpu() for p in parts for n, w in parts[p].state_dict().items()}
            kept = {name: history[name] for name in PER_EPOCH}
            Record(**about, **kept, scores=_under("score.", history), weights=weights).save(path)
            resume_path(path).unlink(missing_ok=True)
        yield epoch


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


def _go_on(path, run, state):
    """Bring `state` to where the unfinished run in `path` is; returns its history."""
    try:
        content = io.BytesIO(_read(path)[len(files.SEAL) :])
        saved = torch.load(content, weights_only=True, map_location="cpu")
        was = saved["run"]
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise RecordError(_say(path, "đây không phải là một lần huấn luyện đang dở của ganlib")) from error
    was, now = was | was["settings"], run | run["settings"]
    changed = [name for name in now if name not in MAY_DIFFER and was.get(name) != now[name]]
    if changed:
        others = "; ".join(f"{n} (đang dở: {was.get(n)}, bây giờ: {now[n]})" for n in changed)
        raise RecordError(
            f"Không chạy tiếp được {path}: lần ấy khác ở {others}. "
            "Hãy dùng lại đúng những lựa chọn và dữ liệu ấy, hoặc bỏ --resume và chọn tên khác."
        )
    state.load_state_dict(saved["state"])
    return saved["history"]


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


def _write(path, content):
    try:
        files.write(path, files.seal(content))
    except OSError as error:
        raise RecordError(_cannot_write(path, error)) from error


def _read(path):
    if not Path(path).is_file():
        raise RecordError(_say(path, "không có tệp nào tên như thế"))
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RecordError(_say(path, error.strerror or "hệ điều hành báo lỗi khi đọc")) from error
    if not files.intact(content):
        raise RecordError(_say(path, "tệp bị cắt cụt, bị sửa, hay không phải của ganlib"))
    return content


def _cannot_write(path, error):
    return f"Không ghi được tệp {path} ({error.strerror}). Hãy chọn một thư mục ghi được và còn chỗ trống."


def _say(path, what):
    return (
        f"Không đọc được {path}: {what}. Hãy lấy lại tệp từ nơi bạn đã nhận nó (kho mã, với tệp đi kèm), "
        "hoặc huấn luyện lại: python -m ganlib train."
    )
