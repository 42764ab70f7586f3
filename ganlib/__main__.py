"""The command line, python -m ganlib train | figures | score: words and arguments; the work is elsewhere."""

import argparse
import io
import os
import re
import shlex
import subprocess
import sys
import warnings
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch

from ganlib import algorithm, data, files, parallel, record, scores, writeup

SAMPLES, NOISE_SEED = 10_000, 1  # every score is of the images of the same noise
PARZEN = {  # nats: of the paper's Table 1, and of the first 10,000 training images in place of samples
    "mnist": "bài báo: 225 ± 2; 10,000 ảnh huấn luyện thật: 241.2 ± 2.1",
    "fashion": "bài báo không chấm bộ này; 10,000 ảnh huấn luyện thật: 356.8 ± 1.9",
}
RECIPES = {
    "plain": "công thức huấn luyện thường thấy trong sách; các lựa chọn dưới đây sửa thêm",
    "results": "công thức huấn luyện của hai bản ghi đi kèm; các lựa chọn dưới đây sửa thêm",
}
SETTINGS = {
    "seed": "mầm của mọi số ngẫu nhiên",
    "k": "số bước của D cho mỗi bước của G",
    "m": "số ảnh trong một mini-batch",
    "lr_D": "tốc độ học của D",
    "lr_G": "tốc độ học của G",
    "betas": "hai hệ số của Adam",
    "decay_from": "từ phần nào của số epoch thì tốc độ học giảm dần về 0 (1: không giảm)",
    "average": "hệ số trung bình trọng số của G (0: không lấy trung bình)",
    "loss": f"loss của G: {' hoặc '.join(algorithm.LOSSES_G)}",
    "hidden_G": "bề rộng các lớp ẩn của G",
    "hidden_D": "bề rộng các lớp ẩn của D",
    "dropout": "tỉ lệ Dropout trong D",
    "latent_dim": "độ dài của vector nhiễu z",
}


# ---------------------------------------------------------------------------------------------- arguments


class Formatter(argparse.HelpFormatter):
    """argparse's own words in Vietnamese."""

    def add_usage(self, usage, actions, groups, prefix=None):
        super().add_usage(usage, actions, groups, "cách dùng: " if prefix is None else prefix)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that speaks Vietnamese; exit status 2 on wrong arguments, as usual."""

    WORDS = [
        (r"the following arguments are required: (.*)", r"còn thiếu: \1"),
        (r"unrecognized arguments: (.*)", r"không có tham số nào như thế này: \1"),
        (r"argument (.*?): expected .*argument.*", r"\1: cần một giá trị đi kèm"),
        (r"argument (.*?): invalid choice: (.*?) \(choose from (.*)\)", r"\1: không có \2; hãy chọn: \3"),
        (r"argument (.*?): not allowed with argument (.*)", r"\1 và \2: chỉ chọn một trong hai"),
        (r"argument (.*?): ignored explicit argument (.*)", r"\1: không nhận giá trị (\2)"),
        (r"argument (.*?): (.*)", r"\1: \2"),
    ]

    def __init__(self, **options):
        super().__init__(formatter_class=Formatter, add_help=False, allow_abbrev=False, **options)
        self._positionals.title, self._optionals.title = "phải có", "có thể thêm"
        self.add_argument("-h", "--help", action="help", help="hiện lời giúp này")

    def error(self, message):
        for pattern, words in self.WORDS:
            if re.fullmatch(pattern, message, re.DOTALL):
                message = re.sub(pattern, words, message, flags=re.DOTALL)
                break
        self.exit(2, f"Lỗi: {message}. Xem {self.prog} --help.\n")


def kind(convert, expected):
    """An argument's type: `convert` of the text, its failure in Vietnamese."""

    def parse(text):
        try:
            return convert(text)
        except (ValueError, RuntimeError, AssertionError) as error:
            raise argparse.ArgumentTypeError(f"cần {expected}; đã nhận {text!r}") from error

    return parse


def at_least(low):
    def convert(text):
        if int(text) < low:
            raise ValueError
        return int(text)

    return kind(convert, f"một số nguyên từ {low} trở lên")


def widths(text):
    return tuple(at_least(1)(part) for part in text.split(","))


def numbers(text):
    return tuple(float(part) for part in text.split(","))


TYPES = {
    int: at_least(0),
    float: kind(float, "một số"),
    str: str,
    "hidden": kind(widths, "các số nguyên dương cách nhau bằng dấu phẩy, ví dụ 512,512"),
    tuple: kind(numbers, "các số cách nhau bằng dấu phẩy, ví dụ 0.5,0.999"),
}


def parser():
    """The whole command line; a setting that is not given is absent from what it parses."""
    about = "Huấn luyện GAN, chấm điểm, vẽ hình: không cần notebook."
    main = Parser(prog="python -m ganlib", description=about)
    commands = main.add_subparsers(required=True, metavar="train | figures | score", title="việc")

    about = "Huấn luyện và ghi lại thành một tệp."
    train = commands.add_parser("train", help="huấn luyện và ghi lại thành một tệp", description=about)
    train.add_argument("name", choices=data.NAMES, metavar="mnist|fashion", help="bộ ảnh để học")
    train.add_argument("--out", required=True, type=Path, metavar="FILE", help="tệp kết quả (.safetensors)")
    train.add_argument("--epochs", type=at_least(1), default=100, metavar="N", help="số epoch (mặc định 100)")
    train.add_argument("--resume", action="store_true", help="chạy tiếp lần đang dở trong FILE.resume")
    every = "mấy epoch thì chấm điểm một lần (mặc định 10; 0: không chấm)"
    train.add_argument("--score-every", type=at_least(0), default=10, metavar="N", help=every)
    train.add_argument("--first", type=at_least(1), metavar="N", help="chỉ học N ảnh đầu của tập huấn luyện")
    recipe = train.add_mutually_exclusive_group()
    for name, what in RECIPES.items():
        recipe.add_argument(f"--{name}", action="store_true", help=what)
    train.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="độ chính xác")
    device = kind(lambda name: torch.empty(0, device=name).device, "một thiết bị mà máy này có, ví dụ cpu")
    train.add_argument("--device", type=device, metavar="TÊN", help="cpu, cuda, mps (mặc định: tự chọn)")
    for field in fields(algorithm.Settings):
        default = ",".join(map(str, field.default)) if field.type is tuple else field.default
        train.add_argument(
            "--" + field.name.replace("_", "-"),
            type=TYPES["hidden" if field.name.startswith("hidden") else field.type],
            default=argparse.SUPPRESS,
            metavar="…",
            help=f"{SETTINGS.get(field.name, field.name)} (mặc định {default})",
        )
    train.set_defaults(do=do_train)

    draw = commands.add_parser("figures", help="vẽ mọi hình", description="Vẽ mọi hình của trang README.")
    draw.add_argument("--out", required=True, type=Path, metavar="DIR", help="thư mục chứa hình")
    draw.set_defaults(do=do_figures)

    about = "Chấm điểm 10,000 mẫu của một bản ghi."
    score = commands.add_parser("score", help="chấm điểm", description=about)
    score.add_argument("file", type=Path, metavar="FILE", help="bản ghi mà lệnh train đã ghi ra")
    keep = "ghi 10,000 mẫu vào OUT.npy: kích thước (10000, 28, 28), giá trị trong [0, 1]"
    score.add_argument("--samples", type=Path, metavar="OUT.npy", help=keep)
    score.set_defaults(do=do_score)
    return main


# ----------------------------------------------------------------------------------------------- commands


def do_train(args, argv, said):
    given = {f.name: getattr(args, f.name) for f in fields(algorithm.Settings) if hasattr(args, f.name)}
    recipe = algorithm.PLAIN if args.plain else algorithm.RESULTS[args.name] if args.results else {}
    settings = recipe | given
    parallel.begin()
    images = data.load(args.name)
    print(images.message)
    if args.first:
        images = replace(images, pixels=images.pixels[: args.first], labels=images.labels[: args.first])
        print(f"Chỉ học {len(images):,} ảnh đầu.")
    options = {"resume": args.resume, "score_every": args.score_every or args.epochs}
    options |= {"device": args.device, "precision": args.precision, **settings}
    score = scorer(args.name) if args.score_every else None
    run = record.run(images, args.out, args.epochs, score=score, **options)
    try:
        for epoch in run:
            print(epoch, flush=True)
    except KeyboardInterrupt:  # while scoring or writing: an epoch itself ends quietly
        pass
    except record.RecordError as error:  # it could not be written: what was written before is there
        print(f"Lỗi: {error}", file=sys.stderr)
    except RuntimeError:
        if parallel.size() == 1:
            raise
        sys.stderr = sys.__stderr__
        print("Lỗi: một tiến trình khác đã dừng giữa chừng, nên mọi tiến trình dừng theo.", file=sys.stderr)
    else:
        if parallel.rank():  # the first process says how it ended
            return 0
    if args.out.exists():  # only a finished run puts it there
        print(f"Đã ghi {args.out} ({args.out.stat().st_size / 1e6:.1f} MB).")
        return 0
    unfinished = record.resume_path(args.out)
    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    again = join([*parallel.command(), *argv] + ["--resume"] * (not args.resume))
    if not unfinished.exists():
        print("Chưa xong epoch nào, nên không có gì để chạy tiếp.", file=sys.stderr)
    elif any("NaN" in text for text in said):
        again = "chạy tiếp sẽ gặp lại đúng lỗi này. Hãy giảm --lr-D, --lr-G và chạy lại với tên tệp khác."
        print(f"Phần đã xong ở trong {unfinished}, nhưng {again}", file=sys.stderr)
    else:
        print(f"Chưa xong; phần đã huấn luyện ở trong {unfinished}. Chạy tiếp:\n  {again}", file=sys.stderr)
    return 1


def draw(G, n=SAMPLES):
    """n images of G, float32 (n, 28, 28) in [0, 1] on the CPU, from noise of its own: the same each time."""
    z = torch.randn(n, G.latent_dim, generator=torch.Generator().manual_seed(NOISE_SEED))
    with torch.no_grad():
        return (G(z.to(next(G.parameters()).device))[:, 0].cpu() + 1) / 2


def scorer(name):
    """What record.run asks for scores: all of them for the generator that is shown, the quick ones for G."""
    classifier, test = scores.load_classifier(name), scores.held_out(name)[1]  # their errors before any work
    real = scores.class_shares(test, classifier)

    def score(state):
        kept = scores.score_all(draw(state.sampler()), name)
        kept = {key: value for key, value in kept.items() if key not in ("shares", "comparable")}
        print("  " + ", ".join(f"{key} {value:.4g}" for key, value in kept.items()))
        if state.G_avg is not None:
            x = draw(state.G)
            kept["plain_frechet"] = scores.frechet(x, test, classifier)
            kept["plain_sure"] = scores.sure_share(x, classifier)
            kept["plain_kl"] = scores.kl(scores.class_shares(x, classifier), real)
        return kept

    return score


def do_figures(args, *_):
    writeup.draw_all(args.out)
    print(f"Đã vẽ vào thư mục {args.out}.")
    return 0


def do_score(args, *_):
    run = record.Record.load(args.file)
    x = draw(run.generator())
    if args.samples:
        content = io.BytesIO()
        np.save(content, x.numpy())
        files.write(args.samples, content.getvalue())
    print(f"{args.file}: {run.data}, {run.epochs} epoch trên {run.count:,} ảnh, seed {run.settings['seed']}")
    now = scores.score_all(x, run.data)
    print(f"Parzen: {now['parzen']:.1f} ± {now['parzen_se']:.1f} nat, σ = {now['sigma']:.3f}")
    if now["comparable"]:
        print(f"  ({PARZEN[run.data]})")
    else:
        print("  Máy này chỉ có bộ mẫu đi kèm: con số trên không so được với bài báo.")
        if run.source != "sample" and "parzen" in run.scores:
            mean, error = (run.scores[key][-1] for key in ("parzen", "parzen_se"))
            print(f"  Lúc huấn luyện, trên bộ đầy đủ: {mean:.1f} ± {error:.1f} nat ({PARZEN[run.data]})")
    print(f"Khoảng cách Fréchet: {now['frechet']:.2f}")
    print(f"Tỉ lệ mẫu mà bộ phân lớp chắc chắn (> 0.9): {now['sure']:.3f}")
    print(f"KL của tỉ lệ các lớp (mẫu so với ảnh thật): {now['kl']:.4f} nat")
    shares = ", ".join(f"{n} {s:.1%}" for n, s in zip(data.CLASSES[run.data], now["shares"], strict=True))
    print(f"Tỉ lệ các lớp: {shares}")
    return 0


def main(argv=None):
    """Run one command; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    args, said = parser().parse_args(argv), []

    def say(message, *_, **__):
        said.append(str(message))
        print(f"Chú ý: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)
        warnings.showwarning = say
        try:
            return args.do(args, argv, said)
        except (record.RecordError, data.DataError, ValueError, OSError) as error:
            print(f"Lỗi: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            print("Đã dừng theo yêu cầu.", file=sys.stderr)
        finally:
            parallel.end()
    return 1


if __name__ == "__main__":
    sys.exit(main())
