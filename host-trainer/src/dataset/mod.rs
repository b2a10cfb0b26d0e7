//! CIFAR-10: fetched, verified, decoded, split.
