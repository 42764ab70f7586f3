"""Notebook 05: reading a record."""

import torch

from ganlib.exercises.checking import check, need


@check
def kiem_tra_epoch_tot(best_epoch):
    """best_epoch(scores, lowest): the epoch, from 1 on, of the lowest (or highest) score that is not nan."""
    nan = float("nan")
    for sign, lowest in ((1, True), (1, False), (-1, True), (-1, False)):
        scores = sign * torch.tensor([nan, 4.0, nan, 2.0, 8.0, nan])
        answer, right = best_epoch(scores, lowest), 4 if lowest == (sign == 1) else 5
        asked = f"Điểm {scores.tolist()}, lowest = {lowest}: hàm trả lời {answer}"
        need(answer not in (1, 3, 6), f"{asked}. Epoch ấy có được chấm không? Epoch đầu mang số mấy?")
        need(answer == right, f"{asked}. Hãy tìm bằng mắt: đó là epoch thứ mấy, đếm từ 1?")


@check
def kiem_tra_doi_y(most_changed):
    """most_changed(images, first, last): the column that changed most between two epochs, counted from 1."""
    images = torch.full((12, 5, 28, 28), 100, dtype=torch.uint8)
    images[2:9, 0] = 250  # another picture for a while, then the old one again
    images[9, 1] += 40  # brighter everywhere
    images[9, 2] -= 1  # darker by a hair
    images[9, 3, :14] += 90  # half brighter, half darker: this one changed most
    images[9, 3, 14:] -= 90
    images[10, 4] = 255  # only in the epoch after
    answer = int(most_changed(images, 2, 10))
    need(answer != 0, "Cột 0 đổi giữa chừng rồi trở về như cũ: đề bài chỉ so hai epoch.")
    need(answer != 1, "Cột 1 cùng sáng lên. Có cột đổi nhiều hơn, nhưng chỗ sáng lên, chỗ tối đi bù nhau.")
    need(answer != 2, "Cột 2 chỉ tối đi một chút. Với uint8, 99 - 100 bằng bao nhiêu?")
    need(answer != 4, "Cột 4 chưa đổi gì cho đến hết epoch last. Epoch 1 nằm ở images[0].")
    need(answer == 3, "Chưa đúng cột: so hai ảnh của từng cột, từng điểm ảnh một.")
