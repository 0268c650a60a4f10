"""Files that are broken at random, for the tests of the functions that read them."""

from __future__ import annotations

import random


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Change, cut, insert or remove some bytes."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 3, 10])):
        at, choice = rng.randrange(len(data) + 1), rng.random()
        if choice < 0.5:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif choice < 0.6:
            del data[at:]
        elif choice < 0.8:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
        else:
            del data[at : at + rng.randrange(1, 20)]
    return bytes(data)
