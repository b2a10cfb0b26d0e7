"""Makes folders of pictures to measure the trainer with, as people bring them: own classes, few pictures, odd sizes.

    python3 data/comparison/own_pictures.py classes OUT

classes  Four classes of CIFAR-10 (automobile, cat, dog, truck): 100 pictures of each in OUT/train, the test set's 1,000 of
         each in OUT/test; every other one JPEG, the others PNG, enlarged to squares with odd sides of 33 to 97 pixels.
digits   scikit-learn's 1,797 handwritten digits as grey pictures of 32×32, four fifths in OUT/train, the rest in OUT/test.
unequal  CIFAR-10's ten classes and the ten digits. OUT/train: 200 pictures of a class of CIFAR-10, 140 of a digit (there
         are only about 180), but 20 of five classes drawn by the seed (1: cat, deer, horse, digit-1, digit-8).
         OUT/test: 100 of each class of CIFAR-10, and of each digit the 34 to 43 that are beyond its first 140.
many     2,000 photographs of 640×480 with noise, as JPEG, 200 of each class of CIFAR-10 in OUT, not split: to time a whole
         job. The centre of each, which the trainer takes, is a picture of CIFAR-10.

The same seed gives the same pictures (the bytes of JPEGs depend on Pillow's version). Needs Pillow, numpy and, for digits,
scikit-learn; CIFAR-10 from `host-trainer data fetch`.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

CIFAR_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
OWN_CLASSES = "automobile cat dog truck".split()
DIGIT_NAMES = [f"digit-{digit}" for digit in range(10)]
# The test of a digit begins here, however few of the pictures before it are trained on.
DIGITS_TO_TRAIN = 140


def cifar(folder, files):
    """Pictures [n, 32, 32, 3] and labels [n] of files of records: a label, then planes of red, green and blue."""
    records = np.concatenate([np.fromfile(folder / f"{name}.bin", np.uint8) for name in files]).reshape(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]


def cifar_train(folder):
    return cifar(folder, [f"data_batch_{number}" for number in range(1, 6)])


def cifar_test(folder):
    return cifar(folder, ["test_batch"])


def digits():
    """Pictures [n, 32, 32] and labels [n]."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures = np.round(data.images * (255 / 16)).astype(np.uint8)
    enlarged = [Image.fromarray(picture).resize((32, 32), Image.Resampling.BICUBIC) for picture in pictures]
    return np.stack(enlarged), data.target


def drawn(labels, label, count, random):
    """Positions of `count` pictures of a class, all if `count` is None."""
    of_class = np.flatnonzero(labels == label)
    return of_class if count is None else random.permutation(of_class)[:count]


def save(picture, folder, number, kind="png"):
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(folder / f"{number:04}.{kind}", quality=92)


def save_enlarged(pictures, folder, random):
    """Squares, because the trainer cuts the centre out of everything else."""
    for number, picture in enumerate(pictures):
        side = int(random.integers(16, 49)) * 2 + 1
        enlarged = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
        save(np.asarray(enlarged), folder, number, "jpg" if number % 2 else "png")


def make_classes(out, folder, random):
    for part, (pictures, labels), count in [("train", cifar_train(folder), 100), ("test", cifar_test(folder), None)]:
        for name in OWN_CLASSES:
            chosen = drawn(labels, CIFAR_CLASSES.index(name), count, random)
            save_enlarged(pictures[chosen], out / part / name, random)


def make_digits(out, _, random):
    pictures, labels = digits()
    for digit in range(10):
        order = drawn(labels, digit, len(labels), random)
        for number, index in enumerate(order):
            part = "train" if number < round(0.8 * len(order)) else "test"
            save(pictures[index], out / part / str(digit), number)


def make_unequal(out, folder, random):
    rare = [*random.choice(CIFAR_CLASSES, 3, replace=False), *random.choice(DIGIT_NAMES, 2, replace=False)]
    for part, (pictures, labels), count in [("train", cifar_train(folder), 200), ("test", cifar_test(folder), 100)]:
        for label, name in enumerate(CIFAR_CLASSES):
            chosen = drawn(labels, label, 20 if part == "train" and name in rare else count, random)
            save_enlarged(pictures[chosen], out / part / name, random)
    pictures, labels = digits()
    for digit, name in enumerate(DIGIT_NAMES):
        order = drawn(labels, digit, len(labels), random)
        train = order[: 20 if name in rare else DIGITS_TO_TRAIN]
        for part, chosen in [("train", train), ("test", order[DIGITS_TO_TRAIN:])]:
            for number, index in enumerate(chosen):
                save(pictures[index], out / part / name, number)
    print("20 pictures to train:", ", ".join(rare))


def make_many(out, folder, random):
    pictures, labels = cifar_train(folder)
    for label, name in enumerate(CIFAR_CLASSES):
        for number, index in enumerate(drawn(labels, label, 200, random)):
            square = Image.fromarray(pictures[index]).resize((480, 480), Image.Resampling.BICUBIC)
            photograph = np.pad(np.asarray(square), [(0, 0), (80, 80), (0, 0)], "reflect")
            # Without noise a JPEG decoder has less to do than for a photograph.
            noisy = photograph + 6 * random.standard_normal(photograph.shape, np.float32)
            save(noisy.round().clip(0, 255).astype(np.uint8), out / name, number, "jpg")


def main():
    makers = {"classes": make_classes, "digits": make_digits, "unequal": make_unequal, "many": make_many}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=makers)
    parser.add_argument("out", type=Path, help="folder to make; it must not exist, or be empty")
    parser.add_argument("--seed", type=int, default=1, help="start of every choice (default: 1)")
    default = Path(__file__).resolve().parent.parent / "cifar-10"
    parser.add_argument("--cifar", type=Path, default=default, help="folder of CIFAR-10 (default: data/cifar-10)")
    arguments = parser.parse_args()
    if arguments.out.exists() and any(arguments.out.iterdir()):
        parser.error(f"{arguments.out} is not empty: what is in it would be mixed with the new pictures")
    makers[arguments.kind](arguments.out, arguments.cifar, np.random.default_rng(arguments.seed))


if __name__ == "__main__":
    main()
