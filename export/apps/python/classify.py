"""classify.py MODEL.onnx IMAGE...: classifies picture files; the model was exported with --embed-preprocessing.

Needs `pip install . pillow` in a clone of edgenet, no torch. Says at the end whether native kernels ran.
"""

import sys
import time

import numpy as np
from PIL import Image, UnidentifiedImageError

from edgenet import InferenceSession
from edgenet.errors import EdgenetError


def read_picture(path: str) -> np.ndarray:
    """The pixels of a file, uint8 [1, height, width, channels], as the file has them."""
    image = Image.open(path)
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGB")
    pixels = np.asarray(image)
    return pixels.reshape(1, *pixels.shape[:2], -1)


def main(model: str, paths: list[str]) -> None:
    session = InferenceSession(model, threads=1)
    classes = session.metadata.get("classes")
    for path in paths:
        image = read_picture(path)
        start = time.perf_counter()
        (logits,) = session.run({"image": image})
        took = (time.perf_counter() - start) * 1e3
        best = int(logits.argmax())
        print(f"{path}: {classes[best] if classes else best} ({took:.2f} ms)")
    print(f"{session.path} path, {session.native_kernels} native kernels")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: classify.py MODEL.onnx IMAGE...")
    try:
        main(sys.argv[1], sys.argv[2:])
    except (EdgenetError, OSError, UnidentifiedImageError) as error:
        sys.exit(f"classify.py: {error}")
