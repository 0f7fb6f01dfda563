"""TIFF of any number of bands, which no library at hand writes."""

import struct

import numpy as np


def tiff(pixels: np.ndarray, planes: bool = False) -> bytes:
    """An uncompressed TIFF of an image (H, W, C); of ``planes`` the bands follow each other."""
    height, width, bands = pixels.shape
    colours = 1 if bands < 3 else 3
    parts = [np.ascontiguousarray(pixels[..., band]).tobytes() for band in range(bands)]
    parts = parts if planes else [np.ascontiguousarray(pixels).tobytes()]
    kind = dict(u=1, i=2, f=3)[pixels.dtype.kind]
    fields = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [8 * pixels.dtype.itemsize] * bands),
        259: ("H", [1]),
        262: ("H", [1 if colours == 1 else 2]),
        273: ("I", [0] * len(parts)),
        277: ("H", [bands]),
        278: ("I", [height]),
        279: ("I", [len(part) for part in parts]),
        284: ("H", [2 if planes else 1]),
        338: ("H", [0] * (bands - colours)),
        339: ("H", [kind] * bands),
    }
    fields = {tag: field for tag, field in fields.items() if field[1]}
    after = 8 + 2 + 12 * len(fields) + 4  # where what is longer than four bytes goes

    def packed(form: str, values: list[int]) -> bytes:
        return struct.pack(f"<{len(values)}{form}", *values)

    long = sum(len(packed(*field)) for field in fields.values() if len(packed(*field)) > 4)
    places, place = [], after + long
    for part in parts:
        places.append(place)
        place += len(part)
    fields[273] = ("I", places)
    entries, values = b"", b""
    for tag, (form, numbers) in sorted(fields.items()):
        content = packed(form, numbers)
        entries += struct.pack("<HHI", tag, dict(H=3, I=4)[form], len(numbers))
        if len(content) > 4:
            entries += struct.pack("<I", after + len(values))
            values += content
        else:
            entries += content.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<IH", 8, len(fields))
    return head + entries + bytes(4) + values + b"".join(parts)
