"""Train the two classifiers that the scores ask, half a minute each: python tests/tools/train_classifier.py FILE

The same weights each time on one machine, as the file keeps them: fp16. All 60,000 training images teach, the
test images only measure.
"""

import sys

import torch
from torch import nn

from ganlib import data, scores


def train_classifier(name, epochs=20, batch=256, lr=3e-3):
    """{"weights", "accuracy"} of a scores.Classifier: cross-entropy, Adam, rates that rise, then fall to 0."""
    train, test = data.load(name), data.load(name, train=False)
    torch.manual_seed(0)
    x, classifier = scores.unit(train), scores.Classifier()
    optimizer = torch.optim.Adam(classifier.parameters(), lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * -(-len(x) // batch))
    for indices in (part for _ in range(epochs) for part in torch.randperm(len(x)).split(batch)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(classifier(x[indices]), train.labels[indices]).backward()
        optimizer.step()
        schedule.step()
    classifier = classifier.eval().half().float()
    right = classifier(scores.unit(test)).argmax(1) == test.labels
    weights = {key: value.half() for key, value in classifier.state_dict().items()}
    return {"weights": weights, "accuracy": float(right.double().mean())}


if __name__ == "__main__":
    torch.save({name: train_classifier(name) for name in data.KINDS}, sys.argv[1])
