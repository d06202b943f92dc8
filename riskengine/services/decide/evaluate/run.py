"""The batch evaluator: JSON lines in, JSON lines out, in order, in batches of what is readable.

It waits for one line, takes what else can be read without waiting up to 4,096 lines, judges them as one batch, writes
and flushes: a notebook that sends one line gets one answer at once, a file of a million lines runs at full speed.
"""

import json
import logging
import select
from collections.abc import Iterator
from typing import Any, BinaryIO

from riskengine.services.decide.evaluate import exits, measures, sizes, slices
from riskengine.services.decide.evaluate.contract import Kind, Line, LineError, Result

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*sizes.KINDS, *slices.KINDS, *exits.KINDS, *measures.KINDS)}
BATCH_LINES = 4096
LINE_BYTES = 8 * 1024 * 1024
READ_BYTES = 1024 * 1024

logger = logging.getLogger(__name__)


def evaluate(kind: Kind, incoming: BinaryIO, outgoing: BinaryIO) -> int:
    """Judge every line of `incoming` and write one line each to `outgoing`. Returns the number of lines in error."""
    errors = 0
    for batch in _batches(incoming):
        results = judge(kind, batch)
        errors += sum(isinstance(result, LineError) for result in results)
        outgoing.write(b"".join(_encode(result) for result in results))
        outgoing.flush()
    return errors


def judge(kind: Kind, raw_lines: list[bytes]) -> list[Result | LineError]:
    """Judge a batch of raw lines; each result stands at its line's place."""
    results: list[Result | LineError] = []
    lines: list[Line] = []
    places: list[int] = []
    known = frozenset(key.name for key in kind.keys)
    for place, raw in enumerate(raw_lines):
        try:
            lines.append(_parse(raw, known))
            places.append(place)
            results.append({})
        except LineError as error:
            results.append(error)
    for place, result in zip(places, _judge_each(kind, lines), strict=True):
        results[place] = result
    return results


def _judge_each(kind: Kind, lines: list[Line]) -> list[Result | LineError]:
    """Judge the batch. Should a line break it, the halves are judged apart, down to that line: it is answered as an
    error and costs no other its answer."""
    if not lines:
        return []
    try:
        return kind.judge(lines)
    except Exception as problem:
        if len(lines) > 1:
            middle = len(lines) // 2
            return _judge_each(kind, lines[:middle]) + _judge_each(kind, lines[middle:])
        logger.exception("A line of %s could not be judged.", kind.name)
        return [LineError("NOT_JUDGED", f"This line could not be judged ({type(problem).__name__}): please report it.")]


def _parse(raw: bytes, known: frozenset[str]) -> Line:
    if len(raw) > LINE_BYTES:
        raise LineError("LINE_TOO_LONG", f"A line holds at most {LINE_BYTES:,} bytes; this one has more.")
    try:
        line = _READER.decode(raw.decode(json.detect_encoding(raw), "surrogatepass"))
    except (ValueError, RecursionError) as problem:
        raise LineError("NOT_JSON", f"Not a JSON object: {problem}") from None
    if not isinstance(line, dict):
        raise LineError("NOT_AN_OBJECT", f"Give one JSON object a line, not {type(line).__name__}.")
    unknown = line.keys() - known
    if unknown:
        name = min(unknown)
        raise LineError("UNKNOWN_KEY", f"{name} is not a key of this kind: `evaluate --list` names them all.", name)
    return line


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose keys are each given once. Python's own reading keeps the last and says nothing."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in names if names.count(name) > 1)
        raise LineError("INVALID_INPUT", f"{name} is given more than once, and which one counts is not said.", name)
    return found


_READER = json.JSONDecoder(object_pairs_hook=_each_once)


def _encode(result: Result | LineError) -> bytes:
    plain = result.as_result() if isinstance(result, LineError) else result
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Half a surrogate pair in a quoted key has no UTF-8; its backslash form is the JSON for it.
    return text.encode(errors="backslashreplace") + b"\n"


def _batches(incoming: BinaryIO) -> Iterator[list[bytes]]:
    """Batches of complete lines. Empty lines are not lines."""
    pending, ended = b"", False
    while not ended:
        pending, ended = _read_on(incoming, pending)
        # More that is ready now joins the batch; a pipe that has nothing yet does not hold the answer back.
        while not ended and pending.count(b"\n") < BATCH_LINES and _ready(incoming):
            pending, ended = _read_on(incoming, pending)
        *complete, pending = pending.split(b"\n")
        if ended and pending:
            complete.append(pending)
        lines = [line for line in complete if line.strip()]
        for start in range(0, len(lines), BATCH_LINES):
            yield lines[start : start + BATCH_LINES]


def _read_on(incoming: BinaryIO, pending: bytes) -> tuple[bytes, bool]:
    """What is pending and what could be read now, and whether that was the end. Of a line that is too long already no
    more is kept: a line without an end must not fill the memory."""
    chunk = incoming.read1(READ_BYTES) if hasattr(incoming, "read1") else incoming.read(READ_BYTES)
    ended = not chunk
    if len(pending) - pending.rfind(b"\n") - 1 > LINE_BYTES:
        _, newline, rest = chunk.partition(b"\n")
        chunk = newline + rest
    return pending + chunk, ended


def _ready(incoming: BinaryIO) -> bool:
    try:
        return bool(select.select([incoming], [], [], 0)[0])
    except (OSError, ValueError, TypeError):  # not a descriptor, e.g. bytes in a test: read on, it cannot block
        return True


def listing() -> Iterator[str]:
    """Every kind, key, default, unit and code, as text lines for `--list`."""
    from accounts.defaults import LADDERS, PARAMETERS, PERCENT_AT_THE_DOOR
    from riskengine.calculators.codes import CODES

    for kind in KINDS.values():
        yield f"{kind.name}: {kind.summary}"
        for key in kind.keys:
            default = "required" if key.required else f"default {json.dumps(key.default)}"
            yield (
                f"    {key.name:<22} {key.takes}; {default}"
                + (f"; {key.unit}" if key.unit else "")
                + (f"; {key.help}" if key.help else "")
            )
        yield ""
    yield "cfg: parameters by name (defaults of smart-0dte / mag7-7dte)"
    for name, p in PARAMETERS.items():
        unit = "percent" if name in PERCENT_AT_THE_DOOR else str(p.unit)
        scale = 100 if name in PERCENT_AT_THE_DOOR else 1
        shown = [value if isinstance(value, bool | str) else f"{value * scale:f}" for value in p.values]
        bounds = f"; one of {', '.join(p.choices)}" if p.choices else ""
        if p.minimum is not None and p.maximum is not None:
            bounds = f"; {p.minimum * scale:f} to {p.maximum * scale:f}"
        yield f"    {name:<34} {shown[0]} / {shown[1]}; {unit}{bounds}; {p.label}"
    yield ""
    yield "cfg: ladders by name, rows of [threshold, value] or [threshold, value, inclusive]"
    for name, ladder in LADDERS.items():
        rows = ", ".join(f"[{s.threshold}, {s.value}{'' if s.inclusive else ', false'}]" for s in ladder.steps)
        yield f"    {name:<22} [{rows}]; {ladder.threshold_unit} -> {ladder.value_unit}"
    yield ""
    yield "codes"
    for code in CODES[1:]:
        yield f"    {code.name:<30} {code.kind}: {code.sentence}"
