"""An exported network as C99 for microcontrollers: one header, one source file, weights as constant arrays.

Made from the .onnx file, so that what was verified is what is written. Needs no torch.
"""

from edgenet.microcontroller.program import Program, compile_network
from edgenet.microcontroller.writing import write_folder

__all__ = ["Program", "compile_network", "write_folder"]
