"""digit.py NUMBER > digit.h: a held-out digit, 0 to 999, as a C array. Needs what training needs."""

import sys

from edgenet.tasks.digits import SIDE, held_out_digits, read_digits

_HEADER = """\
/* {note} */
#ifndef DIGIT_H
#define DIGIT_H

#include <stdint.h>

#define DIGIT_SIDE {side}

/* Row by row, 0 is black. */
/* clang-format off */
static const uint8_t digit[DIGIT_SIDE * DIGIT_SIDE] = {{
{rows}
}};
/* clang-format on */

#endif
"""


def header(pixels: list[list[int]], note: str) -> str:
    """digit.h for a picture [SIDE, SIDE] of 0 (black) to 255."""
    rows = "\n".join(" ".join(f"{pixel:>3}," for pixel in row) for row in pixels)
    return _HEADER.format(note=note, side=SIDE, rows=rows)


def main(number: int) -> None:
    images, targets = read_digits()
    chosen = held_out_digits(targets)
    picture, right = images[chosen][number], targets[chosen][number]
    print(header(picture.tolist(), f"Held-out digit {number}, a {right}; written by digit.py."), end="")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdigit() or int(sys.argv[1]) > 999:
        sys.exit("usage: digit.py NUMBER > digit.h (of a held-out digit, 0 to 999)")
    main(int(sys.argv[1]))
