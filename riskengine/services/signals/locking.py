"""Rows of signals and their sources, one at a time: whoever acts on a signal holds it first."""

from collections.abc import Iterator
from contextlib import contextmanager

from positions.services.order_changes import limit_lock_waits
from riskengine.models import Signal, SignalSource
from riskengine.services.decide.entries import unless_busy


def locked_signal(signal_id: int) -> Signal:
    """The signal as it is now, nobody else's until this transaction ends. PortfolioBusy when it is not had within 2 s.

    Its lock comes before the portfolio's, wherever both are taken: the other way round two would wait for each other.
    """
    # Without its decision: who waits for a lock gets the row as it is then, and what is joined as it was before, which
    # is no decision where the other one has just made it.
    related = Signal.objects.select_related("portfolio__clock", "portfolio__profile", "source")
    with _waiting("Somebody is placing this signal just now. Nothing was done; look again."):
        return related.select_for_update(no_key=True, of=("self",)).get(pk=signal_id)


def locked_source(source_id: int) -> SignalSource:
    """The source, nobody else's until this transaction ends: two deliveries of one source wait for each other."""
    related = SignalSource.objects.select_related("portfolio__clock")
    with _waiting("Another delivery of this source is being taken. Nothing was done; send it again."):
        return related.select_for_update(no_key=True, of=("self",)).get(pk=source_id)


@contextmanager
def _waiting(sentence: str) -> Iterator[None]:
    limit_lock_waits()
    with unless_busy(sentence):
        yield
