"""An app that gives the paper broker the faults of a real one, in every process of a session under test.

A file in the data folder says which: a process reads it at each call, so that a fault begins and ends at once. Only the
settings beside it (`tests.crash.settings`) install it.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

DROPPED, DOUBLED, REFUSED = "fills dropped", "fills doubled", "exits refused"
FAULTS = (DROPPED, DOUBLED, REFUSED)
REASON = "refused for a test"


def file_in(data: Path) -> Path:
    return data / "broker faults"


class FaultyBroker(AppConfig):
    name = "tests.crash"
    label = "faulty_broker"

    def ready(self) -> None:
        from positions.brokers.base import Acknowledgement, Answer, BrokerUnavailable, Execution, Instruction
        from positions.brokers.paper import PaperBroker
        from positions.models import Portfolio

        asks, submits = PaperBroker.executions, PaperBroker.submit
        told = file_in(Path(settings.DATA))

        def fault() -> str:
            try:
                return told.read_text()
            except FileNotFoundError:
                return ""

        def executions(self: PaperBroker, portfolio: Portfolio, after: datetime) -> list[Execution]:
            if (now := fault()) == DROPPED:
                raise BrokerUnavailable("dropped for a test")
            found = asks(self, portfolio, after)
            return found + found[::-1] if now == DOUBLED else found

        def submit(self: PaperBroker, instructions: Sequence[Instruction], at: datetime) -> list[Acknowledgement]:
            refused = {each.client_order_id for each in instructions if each.side == "sell" and fault() == REFUSED}
            taken = submits(self, [each for each in instructions if each.client_order_id not in refused], at)
            return taken + [Acknowledgement(key, Answer.REJECTED, reason=REASON) for key in sorted(refused)]

        PaperBroker.executions, PaperBroker.submit = executions, submit
