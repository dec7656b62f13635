"""Trains the digit classifier of digits.flow in numpy: 64 pixels, 128 rectified units, 10 classes.

Reads digits.npz; writes digits.safetensors (the weights) and digits_heldout.npz (the third of the images not trained on)
beside this file, and prints the accuracy on that third. The last bits of the weights depend on numpy's matrix product.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
# Chosen by five-fold cross-validation over the images trained on.
HIDDEN, EPOCHS, BATCH, RATE, DECAY, SMOOTHING, SEED = 128, 60, 32, 5e-3, 0.1, 0.1, 0

Weights = dict[str, np.ndarray]


def main() -> None:
    with np.load(HERE / "digits.npz") as digits:
        images, labels = digits["images"], digits["labels"]
    held_out = np.arange(len(images)) % 3 == 2
    np.savez_compressed(HERE / "digits_heldout.npz", images=images[held_out], labels=labels[held_out].astype(np.int64))
    weights = trained(pixels(images[~held_out]), labels[~held_out], np.random.default_rng(SEED))
    write_safetensors(HERE / "digits.safetensors", weights)
    _, logits = forward(weights, pixels(images[held_out]))
    print(f"held-out accuracy {np.mean(logits.argmax(axis=1) == labels[held_out]):.4f} on {held_out.sum()} images")
    print("sha256", hashlib.sha256((HERE / "digits.safetensors").read_bytes()).hexdigest())


def pixels(images: np.ndarray) -> np.ndarray:
    """f32[N, 64] in 0..1, from images of 0..16."""
    return images.reshape(len(images), 64).astype(np.float32) / np.float32(16)


def trained(x: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> Weights:
    """The weights after EPOCHS passes over shuffled batches, the rate falling linearly to zero."""
    weights = initial(random)
    first = {name: np.zeros_like(w) for name, w in weights.items()}
    second = {name: np.zeros_like(w) for name, w in weights.items()}
    batches = len(x) // BATCH
    for epoch in range(EPOCHS):
        order = random.permutation(len(x))[: batches * BATCH].reshape(batches, BATCH)
        for step, batch in enumerate(order, start=epoch * batches):
            gradients = loss_gradients(weights, x[batch], labels[batch])
            adam(weights, gradients, first, second, step + 1, RATE * (1 - step / (EPOCHS * batches)))
    return weights


def initial(random: np.random.Generator) -> Weights:
    """Normal weights of variance 2 / inputs (He et al. 2015), zero biases."""

    def normal(rows: int, columns: int) -> np.ndarray:
        return (random.standard_normal((rows, columns)) * np.sqrt(2 / rows)).astype(np.float32)

    return {
        "fc1.weight": normal(64, HIDDEN),
        "fc1.bias": np.zeros(HIDDEN, np.float32),
        "fc2.weight": normal(HIDDEN, 10),
        "fc2.bias": np.zeros(10, np.float32),
    }


def forward(w: Weights, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hidden layer and the logits."""
    hidden = np.maximum(x @ w["fc1.weight"] + w["fc1.bias"], 0)
    return hidden, hidden @ w["fc2.weight"] + w["fc2.bias"]


def loss_gradients(w: Weights, x: np.ndarray, labels: np.ndarray) -> Weights:
    """The derivative, by each weight, of the mean cross entropy between softmax(logits) and the smoothed labels.

    A smoothed label gives SMOOTHING of its one evenly to all classes (Szegedy et al. 2016).
    """
    hidden, logits = forward(w, x)
    error = np.exp(logits - logits.max(axis=1, keepdims=True))
    error /= error.sum(axis=1, keepdims=True)
    error -= SMOOTHING / 10
    error[np.arange(len(x)), labels] -= 1 - SMOOTHING
    error /= len(x)
    back = (error @ w["fc2.weight"].T) * (hidden > 0)
    return {"fc1.weight": x.T @ back, "fc1.bias": back.sum(0), "fc2.weight": hidden.T @ error, "fc2.bias": error.sum(0)}


def adam(weights: Weights, gradients: Weights, first: Weights, second: Weights, step: int, rate: float) -> None:
    """One update in place by AdamW (Loshchilov and Hutter 2019), betas 0.9 and 0.999."""
    for name, g in gradients.items():
        first[name] += 0.1 * (g - first[name])
        second[name] += 0.001 * (g * g - second[name])
        mean = first[name] / (1 - 0.9**step)
        spread = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
        weights[name] -= rate * (mean / spread + DECAY * weights[name])


def write_safetensors(path: Path, tensors: Weights) -> None:
    """The length of a JSON header as u64, the header, the arrays' bytes in order; all little-endian."""
    header: dict[str, object] = {}
    end = 0
    for name, array in tensors.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    body = b"".join(array.astype("<f4").tobytes() for array in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


if __name__ == "__main__":
    main()
