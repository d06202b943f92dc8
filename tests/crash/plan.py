"""What is killed when: drawn from a seed, so that a failure can be played again."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.crash.faults import FAULTS, refused_exits
from tests.crash.invariants import AT_REST, BUSY, GUARDED, RULES, SOON, Remembered, broken
from tests.crash.session import VICTIMS, Session

PAUSE = (0.5, 4.0)  # seconds of trading before a kill
REST_SECONDS = 90
SOON_SECONDS = 20


@dataclass(slots=True)
class Figures:
    """What a run did. `recovery` are seconds from each kill until everything went on."""

    seed: int
    killed: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    recovery: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0

    def __str__(self) -> str:
        killed, faults = (
            ", ".join(f"{name} {count}" for name, count in sorted(counted.items()))
            for counted in (self.killed, self.faults)
        )
        slowest, mean = max(self.recovery, default=0), sum(self.recovery) / max(len(self.recovery), 1)
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        lines = [
            f"seed {self.seed}: {sum(self.killed.values())} kills in {self.seconds:.0f} s ({killed})",
            f"  meanwhile {faults}",
            f"  everything went on after {mean:.1f} s on average, {slowest:.1f} s at most",
            f"  {counts}; {len(RULES) + len(SOON)} rules after each kill, {len(self.failures)} broken",
        ]
        return "\n".join([*lines, *(f"  {each}" for each in self.failures)])


def drawn(seed: int, kills: int) -> Iterator[tuple[float, str, str]]:
    """(pause, fault, victim): each as often as the others, in an order of its own each round."""
    dice = random.Random(seed)
    victims, faults = _round(dice, VICTIMS), _round(dice, tuple(FAULTS))
    for _ in range(kills):
        yield dice.uniform(*PAUSE), next(faults), next(victims)


def _round(dice: random.Random, names: Sequence[str]) -> Iterator[str]:
    while True:
        yield from dice.sample(names, len(names))


def run(session: Session, kills: int, tell: Callable[[str], None] = print) -> Figures:
    """Kill, let it recover, and look; at the end everything is sold and looked at again. The first failure ends it."""
    figures, remembered = Figures(session.seed), Remembered()
    began = time.monotonic()
    try:
        _until_it_trades(session)
        for number, (pause, fault, victim) in enumerate(drawn(session.seed, kills), 1):
            with FAULTS[fault](session):  # it lasts into the kill
                time.sleep(pause)
                figures.failures += session.look(remembered.look)
                hurt = time.monotonic()
                session.kill(victim)
            figures.faults[fault] += 1
            stands = session.goes_on()
            figures.killed[victim] += 1
            figures.recovery.append(time.monotonic() - hurt)
            figures.failures += [stands] if stands else []
            figures.failures += session.look(broken) + session.look(remembered.look) + _soon(session)
            tell(f"{number:>3} {victim:<9} after {pause:.1f} s of {fault}, back in {figures.recovery[-1]:.1f} s")
            if figures.failures:
                return figures
        figures.failures += _at_rest(session) + session.look(remembered.look)
    finally:
        figures.counts = _counts(session)
        figures.seconds = time.monotonic() - began
    return figures


def _until_it_trades(session: Session) -> None:
    """Kills of a product in which nothing happens would show nothing."""
    deadline = time.monotonic() + 60
    traded = (
        "SELECT 1 FROM positions_order o JOIN positions_portfolio p ON p.id = o.portfolio_id "
        "WHERE p.slug IN (%s, %s) AND o.status = 'filled' LIMIT 1"
    )
    while not session.ask(traded, BUSY, GUARDED):
        assert time.monotonic() < deadline, f"nothing was traded within a minute: {session.said()[-3000:]}"
        time.sleep(0.5)


def _soon(session: Session) -> list[str]:
    """The rules that hold within seconds, once they do or have not for too long."""
    deadline = time.monotonic() + SOON_SECONDS
    while (found := session.look(lambda database: broken(database, SOON))) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


def _refused_for_a_while(session: Session) -> list[str]:
    """The broker takes no sale while all is to be sold, until a person has been told of it."""
    told = "SELECT count(*) FROM riskengine_alert WHERE code = 'EXIT_FAILING'"
    held = (
        "SELECT count(*) FROM positions_position p JOIN positions_portfolio f ON f.id = p.portfolio_id "
        "WHERE f.slug IN (%s, %s) AND p.quantity_open > 0"
    )
    before = session.ask(told)[0][0]
    with refused_exits(session):
        session.flatten()
        if not session.ask(held, BUSY, GUARDED)[0][0]:
            return []
        deadline = time.monotonic() + SOON_SECONDS
        while session.ask(told)[0][0] == before:
            if time.monotonic() > deadline:
                return [f"Nobody was told within {SOON_SECONDS} s that the broker refuses every sale."]
            time.sleep(0.3)
    return []


def _at_rest(session: Session) -> list[str]:
    """Everything is sold: the exits that were live, and those of the flattening."""
    if untold := _refused_for_a_while(session):
        return untold
    held = (
        "SELECT count(*) FROM positions_position p JOIN positions_portfolio f ON f.id = p.portfolio_id "
        "WHERE f.slug IN (%s, %s) AND (p.quantity_open > 0 OR f.state <> 'HALTED')"
    )
    deadline = time.monotonic() + REST_SECONDS
    while session.ask(held, BUSY, GUARDED)[0][0]:
        if time.monotonic() > deadline:
            return [f"Not everything was sold within {REST_SECONDS} s."]
        time.sleep(0.5)
    return session.look(broken) + session.look(lambda database: broken(database, AT_REST)) + _soon(session)


def _counts(session: Session) -> dict[str, int]:
    tables = {
        "orders": "positions_order",
        "signals": "riskengine_signal",
        "fills": "positions_fill",
        "positions": "positions_position",
        "profit takings": "positions_partialprofittaking",
        "breaker trips": "riskengine_breakerevent WHERE kind = 'tripped'",
        "alerts": "riskengine_alert",
    }
    return {name: int(session.ask(f"SELECT count(*) FROM {table}")[0][0]) for name, table in tables.items()}
