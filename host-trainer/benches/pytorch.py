"""How many images a second PyTorch trains on, with the network and the optimizer of `vgg3-best`.

    pip install torch && python host-trainer/benches/pytorch.py

Next to it: `cargo run -p host-trainer -- train --epochs 1 --images 12000 --plain --name speed`, which also augments the
images, averages weights, and validates on a tenth of the images; all of that is left out here.
"""

import time

import torch
from torch import nn

BATCH = 128
WARM_UP = 10
STEPS = 60


def vgg():
    layers = []
    channels = 3
    for filters, dropout in ((32, 0.05), (64, 0.1), (128, 0.1)):
        for _ in range(2):
            layers += [
                nn.Conv2d(channels, filters, 3, padding=1),
                nn.ReLU(),
                nn.BatchNorm2d(filters, eps=1e-3),
            ]
            channels = filters
        layers += [nn.MaxPool2d(2), nn.Dropout(dropout)]
    layers += [nn.Flatten(), nn.Linear(2048, 128), nn.ReLU(), nn.BatchNorm1d(128, eps=1e-3)]
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(128, 10))


def images_per_second(memory_format):
    network = vgg().to(memory_format=memory_format).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    images = torch.randn(BATCH, 3, 32, 32).to(memory_format=memory_format)
    labels = torch.randint(0, 10, (BATCH,))

    def step():
        optimizer.zero_grad()
        loss(network(images), labels).backward()
        optimizer.step()

    for _ in range(WARM_UP):
        step()
    begin = time.perf_counter()
    for _ in range(STEPS):
        step()
    return STEPS * BATCH / (time.perf_counter() - begin)


if __name__ == "__main__":
    torch.manual_seed(1)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    for name in ("contiguous_format", "channels_last"):
        rate = images_per_second(getattr(torch, name))
        print(f"{name}: {rate:.0f} images/s")
