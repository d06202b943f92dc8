"""A broker between us and the paper broker that loses answers, rejects, repeats itself and dies, as it is told."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from positions.brokers.base import Acknowledgement, Answer, BrokerUnavailable, Execution, Holding, Instruction
from positions.brokers.paper import PaperBroker
from positions.models import Portfolio

FINE, LOST_BEFORE, LOST_AFTER, REJECTED, KILLED = "fine", "lost before", "lost after", "rejected", "killed"


class Killed(Exception):
    """The process died here: nothing after this line ran."""


class FlakyBroker:
    """`on_submit` and `on_cancel` say what happens next to every such call; the sets switch the questions off."""

    def __init__(self) -> None:
        self.paper = PaperBroker()
        self.on_submit = self.on_cancel = FINE
        self.deaf = False  # look-ups fail
        self.silent = False  # executions are not told
        self.repeats = False  # executions are told twice
        self.rejected: set[str] = set()
        self.submitted: list[str] = []
        self.by_hand: dict[int, int] = {}  # contracts traded by contract, past us, of which no execution is told
        self.expires: dict[int, date] = {}  # of those that were not bought by us
        self.average: dict[int, Decimal] = {}  # what the broker says they cost

    def mend(self) -> None:
        self.on_submit = self.on_cancel = FINE
        self.deaf = self.silent = self.repeats = False

    def submit(self, instructions: Sequence[Instruction], at: datetime) -> list[Acknowledgement]:
        if self.on_submit == LOST_BEFORE:
            raise BrokerUnavailable("no answer")
        if self.on_submit == REJECTED:
            self.rejected |= {each.client_order_id for each in instructions}
            return self.lookup([each.client_order_id for each in instructions])
        self.submitted += [each.client_order_id for each in instructions]
        answers = self.paper.submit(instructions, at)
        return self._after(self.on_submit, answers)

    def cancel(self, client_order_ids: Sequence[str], at: datetime) -> list[Acknowledgement]:
        if self.on_cancel == LOST_BEFORE:
            raise BrokerUnavailable("no answer")
        return self._after(self.on_cancel, self.paper.cancel(client_order_ids, at))

    def lookup(self, client_order_ids: Sequence[str]) -> list[Acknowledgement]:
        if self.deaf:
            raise BrokerUnavailable("no answer")
        return [
            Acknowledgement(each.client_order_id, Answer.REJECTED, reason="not today")
            if each.client_order_id in self.rejected
            else each
            for each in self.paper.lookup(client_order_ids)
        ]

    def executions(self, portfolio: Portfolio, after: datetime) -> list[Execution]:
        if self.silent:
            raise BrokerUnavailable("no answer")
        found = self.paper.executions(portfolio, after)
        return found + found[::-1] if self.repeats else found

    def holdings(self, portfolio: Portfolio, on: date) -> list[Holding]:
        if self.silent:
            raise BrokerUnavailable("no answer")
        held = {each.contract_id: (each.expires_on, each.quantity) for each in self.paper.holdings(portfolio, on)}
        held |= {each: (expires_on, 0) for each, expires_on in self.expires.items() if each not in held}
        return [
            Holding(each, expires_on, count + self.by_hand.get(each, 0), self.average.get(each))
            for each, (expires_on, count) in held.items()
        ]

    def _after(self, what: str, answers: list[Acknowledgement]) -> list[Acknowledgement]:
        if what == LOST_AFTER:
            raise BrokerUnavailable("no answer")
        if what == KILLED:
            raise Killed
        return answers
