"""CRC-64/XZ, the checksum of archives, at the speed of C and without a library of our own.

Python's standard library computes it nowhere by name, but liblzma does on the way: the container
format .xz holds a CRC-64 of what was packed. A stream of that format whose blocks are not packed
at all is checked at more than 1 GB/s; computing one is as fast where liblzma can be called, and
some 20 MB/s where it cannot, as LZMA then packs what nobody reads.

Sources: https://tukaani.org/xz/xz-file-format.txt; `hash/crc64` with the polynomial ECMA in
`common/archive/multiplexer.go` of https://github.com/mongodb/mongo-tools
"""

from __future__ import annotations

import contextlib
import ctypes
import struct
import zlib
from collections.abc import Callable
from types import ModuleType

from mongoshot.errors import DumpError

#: The CRC-64/XZ of b"123456789", by which a function is known to be the right one.
_CHECK = (b"123456789", 0x995DC9BBDF1939FA)

_MAGIC, _FLAGS = b"\xfd7zXZ\0", b"\0\4"  # flags: each block has a CRC-64
#: A block of one filter, LZMA2, with a dictionary of 4 KiB.
_BLOCK_HEADER = b"\2\0\x21\1\0\0\0\0"
#: Bytes that one chunk of LZMA2 can hold as they are.
_LZMA2_CHUNK = 1 << 16
_FOOTER = struct.Struct("<4xI4x")

_Function = Callable[[bytes, int, int], int]


class Verification:
    """Tell whether bytes, given piece by piece, have the checksum that is named in the end."""

    def __init__(self) -> None:
        """Begin with no bytes. Raises DumpError where this Python has no lzma."""
        lzma = _lzma()
        self._error = lzma.LZMAError
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        for part in (_MAGIC, _with_crc32(_FLAGS), _with_crc32(_BLOCK_HEADER)):
            self._stream.decompress(part)
        self._size = 0

    def update(self, data: bytes) -> None:
        """Add bytes."""
        view = memoryview(data)
        for start in range(0, len(data), _LZMA2_CHUNK):
            chunk = view[start : start + _LZMA2_CHUNK]
            # Control byte 1: not packed, and the dictionary begins anew; 2: it goes on.
            control = 2 if self._size else 1
            self._stream.decompress(struct.pack(">BH", control, len(chunk) - 1))
            self._stream.decompress(chunk)
            self._size += 3 + len(chunk)

    def matches(self, checksum: int) -> bool:
        """Tell whether the bytes have this checksum, an unsigned number of 64 bits."""
        padding = b"\0" * (1 + -(self._size + 1) % 4)
        try:
            self._stream.decompress(padding + checksum.to_bytes(8, "little"))
        except self._error:
            return False
        return True


class Checksum:
    """Compute the checksum of bytes that are given piece by piece."""

    def __init__(self) -> None:
        """Begin with no bytes. Raises DumpError where this Python has no lzma."""
        self._function = _liblzma()
        self._value = 0
        if self._function is None:
            lzma = _lzma()
            self._packer = lzma.LZMACompressor(
                lzma.FORMAT_XZ,
                lzma.CHECK_CRC64,
                filters=[
                    {
                        "id": lzma.FILTER_LZMA2,
                        "mode": lzma.MODE_FAST,
                        "mf": lzma.MF_HC3,
                        "dict_size": 4096,
                        "nice_len": 3,
                        "depth": 1,
                    }
                ],
            )

    def update(self, data: bytes) -> None:
        """Add bytes."""
        if self._function is not None:
            self._value = self._function(data, len(data), self._value)
        else:
            self._packer.compress(data)
            self._value += len(data)

    def value(self) -> int:
        """Return the checksum, an unsigned number of 64 bits; nothing can be added after it."""
        if self._function is not None:
            return self._value
        if not self._value:  # a stream of nothing has no block
            return 0
        end = self._packer.flush()
        (index,) = _FOOTER.unpack(end[-_FOOTER.size :])
        start = len(end) - _FOOTER.size - 4 * (index + 1) - 8
        return int.from_bytes(end[start : start + 8], "little")


def _with_crc32(part: bytes) -> bytes:
    return part + zlib.crc32(part).to_bytes(4, "little")


def _lzma() -> ModuleType:
    try:
        import lzma
    except ImportError:  # a Python that was built where liblzma was not
        raise DumpError(
            "this Python has no module lzma, which the checksums of archives need: install a Python"
            " that has it, or take a dump directory instead of an archive"
        ) from None
    return lzma


def _liblzma() -> _Function | None:
    """Find the function of liblzma in the library that Python's own module is linked to, if any."""
    with contextlib.suppress(ImportError, OSError, AttributeError, TypeError):
        import _lzma

        function = ctypes.CDLL(_lzma.__file__).lzma_crc64
        function.argtypes = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64
        function.restype = ctypes.c_uint64
        if function(_CHECK[0], len(_CHECK[0]), 0) == _CHECK[1]:
            return function
    return None
