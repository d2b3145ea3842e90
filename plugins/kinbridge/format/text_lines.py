"""The lines of a text file in the contract's encoding, one at a time, whatever ends them (LF, CRLF, CR).

Bytes that the encoding does not know become surrogates, which make their row undecodable later. Memory holds one line.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import IO

from kinbridge.format.table import Unreadable

# No line of records is longer; what is, is another kind of file.
LINE_CHARACTERS = 16 * 1024 * 1024


def text_lines(content: IO[bytes], encoding: str, newline: str = "") -> Iterator[tuple[int, str]]:
    """Each line with its number from 1, without its end. With `newline` "\\n", only LF and CRLF end a line.

    Raises `Unreadable` with the line where the encoding cannot go on, or the line has no end.
    """
    codec = codecs.lookup(encoding).name
    text = io.TextIOWrapper(content, "utf-8-sig" if codec == "utf-8" else codec, "surrogateescape", newline)
    number = 0
    while True:
        try:
            line = text.readline(LINE_CHARACTERS)
        except UnicodeError:
            raise Unreadable(number + 1, f"the text is not {encoding}") from None
        if not line:
            return
        number += 1
        if len(line) == LINE_CHARACTERS and line[-1] not in "\r\n":
            raise Unreadable(number, f"a line has more than {LINE_CHARACTERS} characters")
        yield number, line.rstrip("\r\n") if newline == "" else line.removesuffix("\n").removesuffix("\r")
