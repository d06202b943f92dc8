"""Screenshots made light: PNG with a palette and without filters, by which text on plain ground gains nothing."""

import base64
import struct
import zlib

import numpy as np
from playwright.sync_api import Page

MOST_COLOURS = 256
PIXELS = """async (png) => {
  const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes]));
  const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  canvas.drawImage(picture, 0, 0);
  const { data } = canvas.getImageData(0, 0, picture.width, picture.height);
  const parts = [];
  for (let at = 0; at < data.length; at += 32768) parts.push(String.fromCharCode(...data.subarray(at, at + 32768)));
  return [picture.width, picture.height, btoa(parts.join(""))];
}"""


def light(page: Page, png: bytes) -> bytes:
    """The same picture in at most 256 colours: those that differ in less than a sixteenth of a channel become the most
    frequent of them, so that plain grounds stay exactly what they are."""
    width, height, encoded = page.evaluate(PIXELS, base64.b64encode(png).decode())
    pixels = np.frombuffer(base64.b64decode(encoded), np.uint8).reshape(-1, 4)[:, :3]
    exact, which, count = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(-count)
    near = exact[order] >> 4
    _, first, bucket = np.unique(near, axis=0, return_index=True, return_inverse=True)
    palette = exact[order][first]
    assert len(palette) <= MOST_COLOURS
    of_exact = np.empty(len(exact), np.uint8)
    of_exact[order] = bucket.ravel()
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = of_exact[which.ravel()].reshape(height, width)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 9)
    chunks = ((b"IHDR", header), (b"PLTE", palette.tobytes()), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
