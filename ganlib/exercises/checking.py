"""What every check of an exercise is made of. It tests what an answer means and gives hints only.

A check takes what the student filled in (a number, a function), prints its verdict in Vietnamese and returns
True or False. It never raises, so an empty cell does not stop Run All; the caller's random state stays as it
was; the networks and tensors it hands out are small and its own. A check is a run of assertions: `need` this,
or read that hint. (Students type the names of the checks: they are Vietnamese.)
"""

import functools
import traceback

import torch

BLANK = "Ô này còn trống: thay dấu ba chấm bằng code của bạn (hàm thì nhớ return), rồi chạy lại ô."


class Blank(Exception):
    """Nothing is filled in yet."""


class Wrong(Exception):
    """Not right yet; the text is the hint."""


def need(true, hint):
    if not true:
        raise Wrong(hint)


def close(a, b):
    """Equal up to rounding: two numbers, or tensors of one shape; never where a is nan or infinite."""
    a, b = (torch.as_tensor(x).detach().double() for x in (a, b))
    return a.shape == b.shape and bool((a - b).norm() <= 1e-3 * b.norm() + 1e-6)


def filled(answer):
    """The answer, if there is one; of a function, one that must return one, and gets copies of tensors."""
    if answer is None or answer is ...:
        raise Blank
    if not callable(answer):
        return answer
    return lambda *given: filled(answer(*(x.clone() if isinstance(x, torch.Tensor) else x for x in given)))


def check(test):
    """Make a check of a function that raises Wrong where an answer is wrong."""

    @functools.wraps(test)
    def verdict(*answers):
        try:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                test(*map(filled, answers))
        except Blank:
            print(BLANK)
        except Wrong as hint:
            print("Chưa đúng. Gợi ý:", hint)
        except Exception as error:
            print(explained(error, {a.__code__.co_filename for a in answers if hasattr(a, "__code__")}))
        else:
            print("Đúng rồi!")
            return True
        return False

    return verdict


def explained(error, files):
    """A Vietnamese sentence on an error, raised by the student's code (it is in `files`) or by its result."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    if lines:
        return f"Code của bạn báo lỗi ở dòng {lines[-1]} của ô. {type(error).__name__}: {error}"
    return f"Câu trả lời chưa đúng kiểu hoặc hình dạng mà đề bài yêu cầu. {type(error).__name__}: {error}"
