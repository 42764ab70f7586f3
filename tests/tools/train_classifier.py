"""Train the two classifiers that the scores ask, half a minute each: python tests/tools/train_classifier.py FILE

The same weights each time on one machine, as the file keeps them: fp16. All 60,000 training images teach, the
test images only measure.
"""

import sys

import torch
from torch import nn

from ganlib import data, scores

EPOCHS, BATCH, RATE, saved = 20, 256, 3e-3, {}
for name in data.KINDS:  # cross-entropy, Adam, rates that rise, then fall to 0
    train, test = data.load(name), data.load(name, train=False)
    torch.manual_seed(0)
    x, classifier = scores.unit(train), scores.Classifier()
    optimizer = torch.optim.Adam(classifier.parameters(), lr=RATE, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * -(-len(x) // BATCH))
    for indices in (part for _ in range(EPOCHS) for part in torch.randperm(len(x)).split(BATCH)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(classifier(x[indices]), train.labels[indices]).backward()
        optimizer.step()
        schedule.step()
    classifier = classifier.eval().half().float()
    right = classifier(scores.unit(test)).argmax(1) == test.labels
    weights = {key: value.half() for key, value in classifier.state_dict().items()}
    saved[name] = {"weights": weights, "accuracy": float(right.double().mean())}
torch.save(saved, sys.argv[1])
