"""The command line, python -m ganlib train | figures | score: words and arguments; the work is elsewhere."""

import argparse
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

from ganlib import data, diagrams, fast, files, record, scores, training


class Parser(argparse.ArgumentParser):
    def format_help(self):  # argparse's own words in Vietnamese
        text = super().format_help().replace("usage:", "cách dùng:").replace("options:", "có thể thêm:")
        text = text.replace("positional arguments:", "phải có:")
        return text.replace("show this help message and exit", "hiện trợ giúp này")


def widths(text):
    return tuple(map(int, text.split(",")))


SETTINGS = {"seed": int, "k": int, "m": int, "lr_D": float, "lr_G": float, "average": float, "loss": str}
SETTINGS |= {"dropout": float, "hidden_G": widths, "hidden_D": widths}  # of training.Settings
MEASURES = {  # as `score` prints them: name, digits
    "frechet": ("Khoảng cách Fréchet", 2),
    "precision": ("Độ trung thực (precision)", 3),
    "recall": ("Độ đa dạng (recall)", 3),
    "density": ("Mật độ (density)", 3),
    "coverage": ("Độ phủ (coverage)", 3),
    "sure": ("Tỉ lệ chắc chắn (xác suất > 0.9)", 3),
    "kl": ("KL của tỉ lệ mười lớp (nat)", 4),
}


def parser():
    about = "Huấn luyện GAN, chấm điểm, vẽ hình: không cần notebook."
    main = Parser(prog="python -m ganlib", description=about)
    commands = main.add_subparsers(required=True, metavar="train | figures | score", dest="command")

    def command(do, about):
        new = commands.add_parser(do.__name__, help=about, description=about, allow_abbrev=False)
        new.set_defaults(do=do)
        return new

    new = command(train, "huấn luyện và ghi lại thành một tệp")
    new.add_argument("name", metavar="TÊN", help="bộ ảnh để học: mnist hoặc fashion")
    new.add_argument("--out", type=Path, metavar="TỆP", help="tệp kết quả (mặc định TÊN.safetensors)")
    new.add_argument("--epochs", type=int, default=100, metavar="N", help="số epoch (mặc định 100)")
    new.add_argument("--resume", action="store_true", help="chạy tiếp lần đang dở trong TỆP.resume")
    every = "mấy epoch thì chấm điểm một lần (mặc định 10; 0: không chấm)"
    new.add_argument("--score-every", type=int, default=10, metavar="N", help=every)
    new.add_argument("--first", type=int, metavar="N", help="chỉ học N ảnh đầu của tập huấn luyện")
    recipe = new.add_mutually_exclusive_group()
    recipe.add_argument("--plain", action="store_true", help="cấu hình huấn luyện thường thấy trong sách")
    recipe.add_argument("--results", action="store_true", help="cấu hình huấn luyện của bản ghi đi kèm")
    new.add_argument("--precision", default="auto", metavar="…", help="auto, fp32 hoặc bf16 (mặc định auto)")
    new.add_argument("--device", metavar="…", help="cpu, cuda hoặc mps (mặc định: tự chọn)")
    for name, kind in SETTINGS.items():
        default = getattr(training.Settings, name)
        default = ",".join(map(str, default)) if kind is widths else default
        about = f"siêu tham số {name} (mặc định {default})"
        new.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="…", help=about)

    new = command(figures, "vẽ mọi hình của trang README")
    new.add_argument("--out", required=True, type=Path, metavar="THƯ_MỤC", help="thư mục chứa hình")
    new = command(score, "chấm điểm ảnh của một bản ghi")
    new.add_argument("file", type=Path, metavar="TỆP", help="bản ghi mà lệnh train đã ghi ra")
    return main


def train(args):
    name = data.canonical(args.name)
    images, out = data.load(name), args.out or Path(f"{name}.safetensors")
    images = replace(images, pixels=images.pixels[: args.first], labels=images.labels[: args.first])
    print(images.message)
    options = training.PLAIN if args.plain else training.RESULTS[name] if args.results else {}
    options = options | {key: value for key in SETTINGS if (value := getattr(args, key)) is not None}
    options |= {"resume": args.resume, "device": args.device, "precision": args.precision}
    options["score"] = scores.scorer(name) if args.score_every else None
    options["score_every"] = args.score_every or args.epochs
    run = record.train_and_record(images, out, args.epochs, **options)
    try:
        for epoch in run:
            print(epoch, flush=True)
    except KeyboardInterrupt:  # while scoring or writing: an epoch itself ends quietly
        pass
    except record.RecordError as error:  # it could not be written: what was written before is there
        print(f"Lỗi: {error}", file=sys.stderr)
    except RuntimeError:
        if fast.size() == 1:
            raise
        print("Lỗi: một tiến trình khác đã dừng, nên mọi tiến trình dừng theo.", file=sys.stderr)
    else:
        if fast.rank():  # the first process says how it ended
            return 0
    if out.exists():  # only a finished run puts it there
        print(f"Đã ghi {out} ({out.stat().st_size / 1e6:.1f} MB).")
        return 0
    if "not finite" in args.stops:
        say = "Chạy tiếp sẽ gặp lại đúng lỗi này: hãy giảm --lr-D, --lr-G rồi chạy lại từ đầu, tên tệp khác."
    elif record.resume_path(out).exists():
        resume = ["--resume"] * (not args.resume)
        again = subprocess.list2cmdline([*fast.command(), *args.words, *resume])
        say = f"Chưa xong; phần đã huấn luyện ở trong {record.resume_path(out)}. Chạy tiếp:\n  {again}"
    else:
        say = "Chưa xong epoch nào, nên không có gì để chạy tiếp."
    print(say, file=sys.stderr)
    return 1


def figures(args):
    from ganlib.widgets.stepper import still  # here alone: nothing else needs ipywidgets

    diagrams.draw_all(args.out)
    files.write(args.out / "stepper.png", still())
    print(f"Đã vẽ vào thư mục {args.out}.")
    return 0


def score(args):
    run = record.load(args.file)
    print(f"{args.file}: {run.data}, {run.epochs} epoch trên {run.count:,} ảnh, seed {run.settings['seed']}")
    G = run.generator()
    now = scores.score_all(G, run.data)
    print(f"Parzen: {now['parzen']:.1f} ± {now['parzen_se']:.1f} nat, σ = {now['sigma']:.3f}")
    if not now["comparable"]:
        print("  Máy này chỉ có bộ mẫu đi kèm: con số trên không so được với bài báo.")
    print(f"Trung bình ± độ lệch chuẩn qua {scores.DRAWS} lần rút z, mỗi lần 10,000 mẫu:")
    for key, (name, digits) in MEASURES.items():
        print(f"  {name}: {now[key]:.{digits}f} ± {now[f'{key}_sd']:.{digits}f}")
    found = scores.class_shares(scores.draw(G), scores.load_classifier(run.data)).tolist()
    shares = zip(data.CLASSES[run.data], found, strict=True)
    print("Tỉ lệ mười lớp:", ", ".join(f"{name} {share:.1%}" for name, share in shares))
    return 0


def main(words=None):
    """Run one command; returns the exit status."""
    words = sys.argv[1:] if words is None else words
    args = parser().parse_args(words, argparse.Namespace(words=words, stops=[]))

    def say(message, *_, **__):
        args.stops.append(getattr(message, "why", ""))  # of a training.Stopped
        print(f"Chú ý: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)
        warnings.showwarning = say
        try:
            fast.begin()
            return args.do(args)
        except (record.RecordError, ValueError, OSError) as error:  # a DataError is a ValueError
            print(f"Lỗi: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            print("Đã dừng theo yêu cầu.", file=sys.stderr)
        finally:
            fast.end()
    return 1


if __name__ == "__main__":
    sys.exit(main())
