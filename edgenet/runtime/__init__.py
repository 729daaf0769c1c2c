"""What a device installs: an ONNX Runtime session that uses the operator library where it can. Never imports torch."""

from edgenet.runtime import library
from edgenet.runtime.session import InferenceSession, one_core_each

__all__ = ["InferenceSession", "library", "one_core_each"]
