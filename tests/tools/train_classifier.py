"""Train the two classifiers that the scores ask: ganlib/assets/classifier.safetensors.

    python tests/tools/train_classifier.py [FILE]        # half a minute each on two cores

The same weights each time on one machine, rounded to fp16 as the file keeps them. All 60,000 training
images teach, the test images only measure. `fit` is notebook 08's.
"""

import json
import math
import sys

import torch
from safetensors.torch import save
from torch import nn

from ganlib import data, files
from ganlib.features import CLASSIFIERS, Classifier, unit


def fit(classifier, x, labels, epochs, batch=256, lr=3e-3):
    """Cross-entropy and Adam; the learning rate first rises, then falls to 0."""
    optimizer = torch.optim.Adam(classifier.parameters(), lr=lr, fused=True)
    iterations = epochs * math.ceil(len(x) / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=iterations)
    for _ in range(epochs):
        for indices in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(classifier(x[indices]), labels[indices]).backward()
            optimizer.step()
            schedule.step()


@torch.no_grad()
def accuracy(classifier, test):
    return float((classifier(unit(test)).argmax(1) == test.labels).double().mean())


def train_classifier(name, epochs=20, seed=0):
    """A Classifier of "mnist" or "fashion", its weights rounded to fp16, its accuracy measured."""
    train, test = data.load(name), data.load(name, train=False)
    torch.manual_seed(seed)
    classifier = Classifier()
    fit(classifier, unit(train), train.labels, epochs)
    classifier = classifier.eval().half().float()
    classifier.accuracy = accuracy(classifier, test)
    return classifier


def save_classifiers(classifiers, path=CLASSIFIERS):
    """{"mnist": Classifier, ...} as one sealed safetensors file: fp16 weights, the accuracies as metadata."""
    states = {name: classifier.state_dict() for name, classifier in classifiers.items()}
    weights = {f"{name}.{key}": value.half() for name in states for key, value in states[name].items()}
    accuracies = {name: classifier.accuracy for name, classifier in classifiers.items()}
    files.write(path, files.seal(save(weights, {"accuracy": json.dumps(accuracies), "seal": files.SEAL})))


if __name__ == "__main__":
    if any(data.load(name).source == "sample" for name in data.NAMES):
        sys.exit("Cần bộ dữ liệu đầy đủ để huấn luyện bộ phân lớp; ở đây chỉ có bộ mẫu.")
    found = {name: train_classifier(name) for name in data.NAMES}
    save_classifiers(found, *sys.argv[1:])
    for name, classifier in found.items():
        print(f"{name}: đúng {classifier.accuracy:.2%} ảnh kiểm tra")
