"""Trains the recipe of a run in PyTorch, written a second time: what the trainer reaches should be what the recipe is worth.

    python3 data/comparison/pytorch.py --run runs/NAME --folder FOLDER --seeds 1-5 [--transfer runs/OTHER/weights.bpk]

FOLDER holds train/CLASS/ and test/CLASS/, as own_pictures.py makes them. Each seed draws its own validation pictures, 15 % of
each class in train/, and its own initial weights and batches. Printed is the accuracy on test/ of the epoch with the best
validation accuracy (without int8), and the mean over the seeds. The differences that are left: the trainer splits by the
content of files and keeps pictures that look alike on one side, and random numbers are others.

Needs torch (the CPU is enough), numpy and Pillow. Recipes with a hidden layer, cutout, a camera, patience or another
optimizer, schedule or normalization than the defaults for few pictures are refused.
"""

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

SIDE = 32
VALIDATION_SHARE = 0.15
# On a CPU the trainer computes a batch as two halves, each normalized by its own statistics.
MICRO_BATCHES = 2


def read_recipe(path):
    """The recipe with defaults for the fields that its file may leave out."""
    recipe = {"head": "hidden", "class_weights": False, "frozen_epochs": 0, "transfer": None, "classes": None}
    recipe |= json.loads(path.read_text())
    augmentation = recipe["augmentation"]
    supported = {
        "batch_norm": recipe["batch_norm"],
        "head": recipe["head"] == "global-average",
        "normalization": recipe["normalization"] == "standardized",
        "optimizer": recipe["optimizer"]["kind"] == "muon",
        "schedule": recipe["schedule"]["kind"] == "one-cycle",
        "augmentation": augmentation["cutout"] == 0 and augmentation.get("camera") is None,
        "patience": recipe["patience"] is None,
        "image_limit": recipe["image_limit"] is None,
    }
    for field, is_supported in supported.items():
        if not is_supported:
            raise SystemExit(f"{path}: {field} is {recipe[field]}, which is not written here")
    return recipe


def read_burnpack(path):
    """The tensors of a file in burn's format, as arrays by name.

    A header of ten bytes (magic "NRUB", version, length of the metadata), the metadata as CBOR, and from the next multiple
    of 256 on the tensors, each where the metadata says.
    """
    data = path.read_bytes()
    if data[:6] != b"NRUB\1\0":
        raise SystemExit(f"{path} is no burnpack file of version 1")
    length = int.from_bytes(data[6:10], "little")
    metadata, _ = read_cbor(data[10 : 10 + length], 0)
    start = -(-(10 + length) // 256) * 256
    tensors = {}
    for name, tensor in metadata["tensors"].items():
        if tensor["dtype"] != "F32":
            raise SystemExit(f"{path}: {name} holds {tensor['dtype']}, not F32")
        begin, end = tensor["data_offsets"]
        tensors[name] = np.frombuffer(data[start + begin : start + end], "<f4").reshape(tensor["shape"])
    return tensors


def read_cbor(data, at):
    """The item at a position (RFC 8949) and the position after it: unsigned numbers, texts, arrays and maps."""
    major, argument = data[at] >> 5, data[at] & 31
    at += 1
    if argument >= 24:
        length = 1 << (argument - 24)
        argument, at = int.from_bytes(data[at : at + length], "big"), at + length
    if major == 0:
        return argument, at
    if major == 3:
        return data[at : at + argument].decode(), at + argument
    if major not in (4, 5):
        raise SystemExit(f"CBOR of major type {major} in the metadata is not written here")
    items = []
    for _ in range(argument * (major - 3)):
        item, at = read_cbor(data, at)
        items.append(item)
    return (items if major == 4 else dict(zip(items[::2], items[1::2]))), at


def overlaps(side):
    """Weights `[SIDE, side]` of exact averages of areas. Pillow's BOX takes a pixel at the edge whole or not at all."""
    edges = np.arange(SIDE + 1) * side / SIDE
    pixel = np.arange(side)
    common = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return common.clip(0) * SIDE / side


def read_pictures(folder, classes):
    """Pictures `[n, 3, SIDE, SIDE]` of values 0…255 and labels `[n]`."""
    pictures, labels = [], []
    for label, name in enumerate(classes):
        for path in sorted((folder / name).iterdir()):
            picture = Image.open(path).convert("RGB")
            side = min(picture.size)
            left, top = ((length - side) // 2 for length in picture.size)
            square = np.asarray(picture.crop((left, top, left + side, top + side)), np.float64)
            rows = overlaps(side)
            means = np.einsum("yj,jkc,xk->yxc", rows, square, rows, optimize=True)
            pictures.append(np.floor(means + 0.5).astype(np.float32))
            labels.append(label)
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def split(labels, random):
    """Positions of the training pictures and of the validation pictures."""
    train, validation = [], []
    for label in labels.unique():
        order = torch.nonzero(labels == label).flatten()
        order = order[torch.randperm(len(order), generator=random)]
        count = round(VALIDATION_SHARE * len(order))
        validation.append(order[:count])
        train.append(order[count:])
    return torch.cat(train), torch.cat(validation)


class Norm(nn.BatchNorm2d):
    """Batch normalization of each micro-batch by itself, with biased variances in the running statistics, as burn has them."""

    def __init__(self, channels):
        super().__init__(channels, eps=1e-3, momentum=0.1)

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        parts = x.chunk(MICRO_BATCHES)
        with torch.no_grad():
            for running, statistic in [(self.running_mean, torch.mean), (self.running_var, biased_variance)]:
                of_batch = torch.stack([statistic(part, dim=(0, 2, 3)) for part in parts]).mean(0)
                running.lerp_(of_batch, self.momentum)
        return torch.cat([F.batch_norm(part, None, None, self.weight, self.bias, True, 0, self.eps) for part in parts])


def biased_variance(x, dim):
    return torch.var(x, dim=dim, correction=0)


class Average(nn.Module):
    """Mean over height and width."""

    def forward(self, x):
        return x.mean((2, 3))


def network(recipe, classes):
    layers, channels = [], 3
    for filters, rate in zip(recipe["filters"], recipe["block_dropout"]):
        for _ in range(2):
            layers += [nn.Conv2d(channels, filters, 3, padding="same"), nn.ReLU(), Norm(filters)]
            channels = filters
        layers += [nn.MaxPool2d(2), nn.Dropout(rate)]
    layers += [Average(), nn.Dropout(recipe["hidden_dropout"]), nn.Linear(channels, classes)]
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def convolutions(model):
    return [layer for layer in model if isinstance(layer, nn.Conv2d)]


def norms(model):
    return [layer for layer in model if isinstance(layer, Norm)]


def transfer(model, tensors):
    """Gives the model the convolutions of a trained one, with their batch normalizations."""
    for index, (convolution, norm) in enumerate(zip(convolutions(model), norms(model))):
        prefix = f"blocks.{index // 2}.convolutions.{index % 2}"
        names = {
            "convolution.weight": convolution.weight,
            "convolution.bias": convolution.bias,
            "norm.gamma": norm.weight,
            "norm.beta": norm.bias,
            "norm.running_mean": norm.running_mean,
            "norm.running_var": norm.running_var,
        }
        for name, target in names.items():
            target.data.copy_(torch.tensor(tensors[f"{prefix}.{name}"]))


class Muon:
    """Orthogonalized Nesterov momentum; each weight keeps the norm √out (host-trainer/src/training/muon.rs)."""

    def __init__(self, weights, momentum):
        self.weights, self.momentum, self.velocities = weights, momentum, {}

    @torch.no_grad()
    def step(self, rate):
        for weight in self.weights:
            if weight.grad is None:
                continue
            gradient = weight.grad.flatten(1)
            velocity = gradient + self.momentum * self.velocities.get(weight, torch.zeros_like(gradient))
            self.velocities[weight] = velocity
            update = orthogonalized(gradient + self.momentum * velocity)
            matrix = weight.flatten(1)
            rescaled = matrix * (len(matrix) ** 0.5 / matrix.norm().clamp(min=1e-7))
            weight.copy_((rescaled - rate * update).view_as(weight))


def orthogonalized(matrix):
    """Three steps of Newton-Schulz."""
    a, b, c = 3.4445, -4.7750, 2.0315
    matrix = matrix / matrix.norm().clamp(min=1e-7)
    for _ in range(3):
        gram = matrix @ matrix.T
        matrix = a * matrix + (b * gram + c * gram @ gram) @ matrix
    return matrix


def augmented(pictures, augmentation):
    """Shifted, flipped and zoomed at random, each picture by itself; of values 0…255, as the trainer's."""
    count = len(pictures)
    reach, last = augmentation["shift"], SIDE - 1
    line = torch.arange(SIDE)
    rows = line + torch.randint(-reach, reach + 1, (count, 1))
    columns = line.repeat(count, 1)
    if augmentation["flip"]:
        columns = torch.where(torch.rand(count, 1) < 0.5, last - columns, columns)
    columns = columns + torch.randint(-reach, reach + 1, (count, 1))
    if augmentation["border"] == "reflect":
        rows, columns = (last - (last - lines.abs()).abs() for lines in (rows, columns))
    rows, columns = rows.clamp(0, last), columns.clamp(0, last)
    images = torch.arange(count)[:, None, None]
    result = pictures[images, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    zoom = augmentation.get("zoom", 0)
    if zoom > 0:
        scale = (1 + zoom / 100) ** (2 * torch.rand(count) - 1)
        grid = F.affine_grid(scale[:, None, None] * torch.eye(2, 3), list(result.shape), align_corners=False)
        result = F.grid_sample(result, grid, padding_mode="reflection", align_corners=False).round()
    return result


def relative_rate(warm_up, step, steps):
    """One cycle: linear up to the peak, then linear to zero."""
    done = (step + 0.5) / steps
    return done / warm_up if done < warm_up else (1 - done) / (1 - warm_up)


@torch.no_grad()
def evaluate(model, pictures, labels):
    """Accuracy in percent, and the mean loss without label smoothing."""
    model.eval()
    logits = torch.cat([model(pictures[start : start + 250]) for start in range(0, len(labels), 250)])
    return 100 * (logits.argmax(1) == labels).float().mean().item(), F.cross_entropy(logits, labels).item()


def train(recipe, seed, train_set, test_set, classes, source):
    """Accuracy on the test set, the best epoch, and its accuracy on the validation set (`None` without one)."""
    torch.manual_seed(seed)
    pictures, labels = train_set
    mean, deviation = pictures.mean((0, 2, 3)).view(3, 1, 1), pictures.std((0, 2, 3), correction=0).view(3, 1, 1)
    validation = None
    if not recipe["all_images"]:
        training, chosen = split(labels, torch.Generator().manual_seed(seed))
        validation = (pictures[chosen] - mean) / deviation, labels[chosen]
        pictures, labels = pictures[training], labels[training]
    test = (test_set[0] - mean) / deviation, test_set[1]
    log_shares = torch.zeros(classes)
    if recipe["class_weights"]:
        log_shares = (classes * labels.bincount(minlength=classes) / len(labels)).log()

    model = network(recipe, classes)
    if source:
        transfer(model, source)
    average = copy.deepcopy(model)
    matrices = [layer.weight for layer in convolutions(model)]
    rest = [parameter for parameter in model.parameters() if all(parameter is not matrix for matrix in matrices)]
    options = recipe["optimizer"]
    muon = Muon(matrices, options["momentum"])
    sgd = torch.optim.SGD(rest, lr=0, momentum=options["rest_momentum"], nesterov=True)
    frozen = [parameter for layer in convolutions(model) + norms(model) for parameter in layer.parameters()]

    size = min(recipe["batch_size"], len(labels))
    steps = len(labels) // size
    smoothing = recipe["label_smoothing"]
    best, kept = None, None
    for epoch in range(recipe["epochs"]):
        order = torch.randperm(len(labels))
        for index in range(steps):
            step = epoch * steps + index
            batch = order[index * size : (index + 1) * size]
            model.train()
            logits = model((augmented(pictures[batch], recipe["augmentation"]) - mean) / deviation)
            model.zero_grad()
            F.cross_entropy(logits + log_shares, labels[batch], label_smoothing=smoothing).backward()
            if epoch < recipe["frozen_epochs"]:
                for parameter in frozen:
                    parameter.grad = None
            peak = recipe["learning_rate"]
            rate = peak * relative_rate(recipe["schedule"]["warm_up"], step, recipe["epochs"] * steps)
            muon.step(rate)
            sgd.param_groups[0]["lr"] = rate * options["rest_rate"]
            sgd.step()
            decay = min(recipe["ema"] or 0, (1 + step) / (10 + step))
            for mean_value, value in zip(average.state_dict().values(), model.state_dict().values()):
                if value.is_floating_point():
                    mean_value.lerp_(value, 1 - decay)
        reached, loss = evaluate(average, *validation) if validation else (epoch, 0)
        # The better accuracy, and of equal ones the lower loss.
        if best is None or (reached, -loss) > best[:2]:
            best, kept = (reached, -loss, epoch + 1), copy.deepcopy(average)
    return evaluate(kept, *test)[0], best[2], best[0] if validation else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder with the recipe.json to train")
    parser.add_argument("--folder", type=Path, required=True, help="folder of pictures with train/ and test/")
    parser.add_argument("--seeds", default="1-5", help="one seed, or the first and the last (default: 1-5)")
    parser.add_argument("--transfer", type=Path, help="weights (.bpk) whose convolutions the network starts with")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's, to try this script")
    arguments = parser.parse_args()
    recipe = read_recipe(arguments.run / "recipe.json")
    if arguments.epochs:
        recipe["epochs"] = arguments.epochs
    if recipe["transfer"] and not arguments.transfer:
        parser.error(f"the recipe transfers convolutions of {recipe['transfer']}: name its weights with --transfer")
    source = arguments.transfer and read_burnpack(arguments.transfer)
    classes = recipe["classes"] or sorted(path.name for path in (arguments.folder / "train").iterdir())
    sets = [read_pictures(arguments.folder / part, classes) for part in ("train", "test")]
    first, _, last = arguments.seeds.partition("-")
    accuracies = []
    for seed in range(int(first), int(last or first) + 1):
        begin = time.monotonic()
        reached, epoch, validation = train(recipe, seed, *sets, len(classes), source)
        accuracies.append(reached)
        figures = "" if validation is None else f", {validation:.2f} % of the validation pictures"
        seconds = time.monotonic() - begin
        print(f"seed {seed}: {reached:.2f} % of the test pictures (epoch {epoch}{figures}; {seconds:.0f} s)", flush=True)
    deviation = np.std(accuracies, ddof=1) if len(accuracies) > 1 else 0
    print(f"mean: {np.mean(accuracies):.2f} %, standard deviation {deviation:.2f}")


if __name__ == "__main__":
    main()
