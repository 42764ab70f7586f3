"""One finished run as one file, and an unfinished one as a file to go on from: read as data, nothing in it runs."""

import io
import lzma
import os
import platform
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

from ganlib import data, training
from ganlib.networks import Generator

PER_EPOCH = "loss_D", "loss_G", "D_x", "D_Gz", "seconds", "images"
PER_FRAME = "iteration", "loss_D", "loss_G", "D_x", "D_Gz", "images"
FILMED = 3  # epochs whose frames are kept


class RecordError(RuntimeError):
    """A record cannot be written, read or gone on with; the message (Vietnamese) says what to do."""


@dataclass(frozen=True, eq=False)
class Record:
    """A finished run of E epochs on `count` images: see `load`, `train_and_record`."""

    data: str  # "mnist" or "fashion"
    count: int  # how many images it was trained on
    epochs: int
    settings: dict  # those of state.Settings, seed included
    precision: str
    processor: str
    loss_D: torch.Tensor  # (E,) float32, as is loss_G: means over the epoch's iterations
    loss_G: torch.Tensor
    D_x: torch.Tensor  # (E,) float32, as is D_Gz: training.answers
    D_Gz: torch.Tensor
    seconds: torch.Tensor  # (E,) float32: of training, without scoring
    images: torch.Tensor  # (E, 36, 28, 28) uint8: what the fixed noise gives after each epoch
    film: dict  # of the first three epochs, every 50 iterations: PER_FRAME -> (F,), images (F, 36, 28, 28) uint8
    scores: dict  # name -> (E,) float32; NaN where not scored
    weights: dict  # of the G that is shown (the averaged one, if there is one): name -> fp16

    def generator(self):
        """The G that is shown, after the last epoch, ready to draw."""
        G = Generator(self.settings["latent_dim"], self.settings["hidden_G"])
        G.load_state_dict({name: values.float() for name, values in self.weights.items()})
        return G.eval()

    @property
    def provenance(self):
        """One line: the command, the set, the averaged G or not, precision and seed."""
        name = "Ḡ" if self.settings["average"] else "G"
        changed = [f"{f.name}={self.settings[f.name]}" for f in fields(training.Settings)
                   if f.name != "seed" and self.settings[f.name] != f.default]  # fmt: skip
        command = f"python -m ganlib train {self.data} --epochs {self.epochs}"
        options = [f"seed={self.settings['seed']}", *changed]
        return f"{command} --set {' '.join(options)}: {name}, {self.precision}, {self.count:,} ảnh"


def write(path, content):
    """The bytes in one step: a reader sees the old file or the new one, never a part."""
    part = f"{path}.{os.getpid()}.part"
    Path(part).write_bytes(content)
    os.replace(part, path)


def packed(content):
    """What torch.save makes of it, as bytes."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def read(path):
    """What was saved there. RecordError: no file, cut short, foreign."""
    try:
        content = Path(path).read_bytes()
        content = lzma.decompress(content) if content[:6] == b"\xfd7zXZ\0" else content
        return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # whatever stands in a file that is none of ours
        why = error.strerror if isinstance(error, OSError) else "tệp bị cắt, bị đổi, hay là tệp khác"
        again = "Hãy lấy lại tệp từ nơi bạn đã nhận nó, hoặc huấn luyện lại."
        raise RecordError(f"Không đọc được {path} ({why}). {again}") from error


def load(path):
    """The Record in that file. RecordError: none there, cut short, or another file."""
    content = read(path)
    if not isinstance(content, dict) or content.keys() != {field.name for field in fields(Record)}:
        raise RecordError(f"{path} không phải là bản ghi một lần huấn luyện của ganlib.")
    return Record(**content)


def train_and_record(images, path, epochs=100, *, resume=False, score=None, score_every=10, **options):
    """Train as training.train does and yield its Epochs; after the last one the Record is in `path`.

    images: data.Images. options: those of state.start, but for G and D. score(state) -> {name: number} is asked
    each `score_every` epochs and after the last. After every other epoch FILE.resume holds all it takes to go
    on: resume=True does so, bit for bit but for `seconds`. RecordError, before any work, where `path` is there
    already, FILE.resume and `resume` don't fit, or G or D are your own.
    """
    if options.get("G") or options.get("D"):
        raise RecordError(
            "Bản ghi chỉ giữ được mạng của ganlib. Với mạng của bạn: huấn luyện bằng train(…, G=G, D=D), "
            "rồi giữ lại bằng torch.save(G.state_dict(), 'G.pt')."
        )
    unfinished, state, history = Path(f"{path}.resume"), training.start(**options), {}
    about = {"data": images.name, "count": len(images), "epochs": epochs}
    about |= {"settings": asdict(state.settings), "precision": state.precision}
    if Path(path).exists():
        raise RecordError(f"Tệp {path} đã có; ganlib không ghi đè. Hãy chọn tên khác, hoặc tự xoá tệp ấy.")
    if unfinished.exists() != resume:
        has = "giữ một lần huấn luyện đang dở: thêm resume=True, hoặc tự xoá nó" if not resume else "không có"
        raise RecordError(f"Tệp {unfinished} {has}.")
    if resume:
        saved = read(unfinished)
        changed = [name for name in about if saved["about"][name] != about[name]]
        if changed:
            raise RecordError(f"Không chạy tiếp được {unfinished}: lần ấy khác ở {', '.join(changed)}.")
        state.load_state_dict(saved["state"])
        history = saved["history"]
    run = training.train(images, epochs, state=state)
    return _record(run, Path(path), unfinished, about, state, history, score, score_every)


def _record(run, path, unfinished, about, state, history, score, score_every):
    epochs, scores, film = about["epochs"], history.setdefault("scores", {}), history.setdefault("film", {})
    for epoch in run:
        last = epoch.epoch == epochs
        keep(history, PER_EPOCH, epoch, images=data.to_pixels(epoch.images)[:, 0])
        for frame in epoch.frames if epoch.epoch <= FILMED else ():
            keep(film, PER_FRAME, frame, images=frame.images[:, 0])
        if score and (epoch.epoch % score_every == 0 or last):
            for name, value in score(state).items():
                scores.setdefault(name, torch.full((epochs,), torch.nan))[epoch.epoch - 1] = value
        if last:
            weights = {name: w.half().cpu() for name, w in state.sampler().state_dict().items()}
            kept = {name: torch.stack(history[name]) for name in PER_EPOCH} | {"scores": scores}
            kept["film"] = {name: torch.stack(film[name]) for name in PER_FRAME}
            kept |= about | {"processor": processor(state.device), "weights": weights}
            write(path, lzma.compress(packed(kept)))
            unfinished.unlink(missing_ok=True)
        else:
            write(unfinished, packed({"about": about, "state": state.state_dict(), "history": history}))
        yield epoch


def keep(lists, names, row, **instead):
    for name in names:
        lists.setdefault(name, []).append(torch.as_tensor(instead.get(name, getattr(row, name))))


def processor(device):
    """The name of the processor that trains: the GPU's, or the CPU's."""
    gpu = device.type == "cuda"
    return torch.cuda.get_device_name() if gpu else platform.processor() or platform.machine()
