"""What a reader brings: images, networks, updates. They train as they are, or one sentence says what is amiss."""

import inspect

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset

from ganlib.networks import evaluating


def tensor_of(images):
    """A reader's images as one tensor: uint8 (N, C, H, W), or float32 in [-1, 1]; points (N, d) stay as they are.

    images: an `Images`, a tensor or ndarray (N, H, W), (N, C, H, W) or (N, H, W, C), uint8 or float, or a
    Dataset (read once) or its DataLoader. Raises ValueError or TypeError (Vietnamese).
    """
    x = getattr(images, "pixels", images)
    try:
        if isinstance(x, DataLoader):  # in the order of its data set; a sampler may leave some out
            x = Subset(x.dataset, sorted(x.sampler)) if len(x.sampler) < len(x.dataset) else x.dataset
        if not hasattr(x, "dtype"):
            items = (x[i] for i in range(len(x)))
            x = torch.stack([item[0] if isinstance(item, tuple | list) else item for item in items])
        x = torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            "images phải là data.Images, một tensor, một ndarray, hay một Dataset mà mỗi phần tử là tensor ảnh cùng "
            f"kích thước (thêm Resize và ToTensor vào transform); đã nhận {type(images).__name__} ({error})."
        ) from error
    if x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[-1] in (1, 3):
        x = x.movedim(-1, 1)
    x = x.unsqueeze(1) if x.ndim == 3 else x
    if x.dtype == torch.uint8:
        if x.numel() and x.max() <= 1:
            raise ValueError("images kiểu uint8 phải từ 0 đến 255, ở đây chỉ có 0 và 1: hãy nhân với 255.")
        return x
    x = x.float()
    low, high = map(float, x.aminmax()) if x.numel() else (-1, 1)
    if low != low or high != high:
        raise ValueError(f"images có {int(x.isnan().sum())} giá trị NaN: hãy xem lại cách đọc ảnh.")
    if x.ndim > 2 and (low >= 0 or low < -1.01 or high > 1.01):
        raise ValueError(
            f"images phải nằm trong [-1, 1], nơi Tanh của G kết thúc; đã nhận từ {low:.3g} đến {high:.3g}. Ảnh trong "
            "[0, 1] (chỉ qua ToTensor): thêm Normalize((0.5,), (0.5,)), tức (x - 0.5) / 0.5. Ảnh 0 … 255: đổi "
            "sang uint8."
        )
    return x


def takes_loss_G(update_G, loss):
    """Raises TypeError unless update_G takes the loss that `loss=` asks for, as its fifth argument."""
    try:
        inspect.signature(update_G).bind(*range(5))
    except TypeError as error:
        raise TypeError(
            f"loss={loss!r} được truyền cho update_G ở đối số thứ năm (loss_G), mà hàm của bạn không nhận. Hãy bỏ "
            "loss=… nếu hàm đã tự chọn loss, hoặc thêm đối số ấy."
        ) from error


def try_out(state, images, logits):
    """Ask G and D once, changing nothing: what does not fit is told. logits: whether the update of D wants them."""
    z, x = torch.zeros(2, state.settings.latent_dim, device=state.device), images.batch(torch.arange(2))
    if not isinstance(x, torch.Tensor):  # an object of your own: only your update_D knows how to ask D
        return
    with torch.no_grad(), torch.random.fork_rng([]), evaluating(state.G, state.D):
        who, given, cure = "G", z, "truyền latent_dim=…, hoặc đặt self.latent_dim trong G"
        try:
            fake = state.G(z)
            who, given, cure = "D", x, "sửa D hoặc đổi kích thước ảnh"
            answer = state.D(x)
        except (RuntimeError, TypeError, IndexError) as error:
            raise ValueError(f"{who} không nhận {tuple(given.shape)} ({error}). Hãy {cure}.") from error
    if fake.shape != x.shape:
        raise ValueError(
            f"G vẽ ảnh {tuple(fake.shape[1:])} mà ảnh thật là {tuple(x.shape[1:])}: hai thứ phải cùng hình dạng."
        )
    if x.dtype == torch.float32 and fake.min() > 0 > x.min() and x.ndim > 2:
        raise ValueError("G vẽ ảnh không có số âm, mà ảnh thật nằm trong [-1, 1]: hãy cho G kết thúc bằng Tanh.")
    layers = [layer for layer in state.D.modules() if not isinstance(layer, nn.Flatten | nn.Unflatten | nn.Identity)]
    if logits and isinstance(layers[-1], nn.Sigmoid) and 0 <= answer.min() and answer.max() <= 1:
        raise ValueError("D kết thúc bằng Sigmoid, mà update_D cần logit: hãy bỏ Sigmoid ấy.")
    if answer.numel() != 2:
        raise ValueError(f"D phải trả lời mỗi ảnh một logit; với hai ảnh đã trả về {tuple(answer.shape)}.")


def scalar(name, loss):
    """Raises TypeError unless this is what an update returns: a tensor of one number."""
    if not isinstance(loss, torch.Tensor) or loss.ndim:
        what = f"tensor {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else repr(loss)
        raise TypeError(f"{name} phải trả về loss.detach(), trung bình của cả batch; đã trả về {what}.")
