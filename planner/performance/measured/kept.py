"""Large matrices that follow from a calibration, kept between processes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from planner.kept import read_kept, write_kept

CHECK = struct.Struct("<Q")
"""The checksum that a file begins with."""
MOST = 2
"""Matrices kept on disk, of 16 MB each."""


def kept_square(digest: str, n: int, made: Callable[[], NDArray[np.float64]]) -> NDArray[np.float64]:
    """The (n, n) matrix of this digest, from disk or as it is made. A damaged file is made again."""
    name = f"matrix-{digest[:32]}.bin"
    data = read_kept(name)
    if data is not None and len(data) == n * n * 8 + CHECK.size:
        (check,) = CHECK.unpack_from(data)
        values = memoryview(data)[CHECK.size :]
        if zlib.crc32(values) == check:
            return np.frombuffer(values, dtype=np.float64).reshape(n, n)
    found = np.ascontiguousarray(made(), dtype=np.float64)
    made_of = found.tobytes()
    write_kept(name, CHECK.pack(zlib.crc32(made_of)) + made_of, "matrix-*.bin", MOST)
    return found
