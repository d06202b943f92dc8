import json
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from positions.market.calendar import OutsideCalendar
from positions.market.symbols import parse
from positions.models import OptionContract, Portfolio
from riskengine.services.decide.request import SizeRequest
from riskengine.services.decide.sizing import preview_size


class Command(BaseCommand):
    help = "How big a bet may be now, and why: the answer of the page and the API, as text or JSON. Writes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("portfolio", help="its slug, e.g. smart-0dte")
        parser.add_argument("contract", help='OCC symbol, e.g. "SPXW  210104C03700000" or SPXW210104C03700000')
        parser.add_argument("confidence", help="0 to 1")
        parser.add_argument("--json", action="store_true", help="the whole explained answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        request = SizeRequest(_contract(options["contract"]), _confidence(options["confidence"]))
        try:
            portfolio = Portfolio.objects.select_related("profile", "clock").get(slug=options["portfolio"])
            preview = preview_size(portfolio=portfolio, request=request, now=timezone.now())
        except Portfolio.DoesNotExist:
            known = ", ".join(Portfolio.objects.order_by("slug").values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no portfolio {options['portfolio']!r}. Known: {known}.") from None
        except OutsideCalendar as problem:
            raise CommandError(str(problem)) from problem
        if options["json"]:
            self.stdout.write(json.dumps(preview, ensure_ascii=False, indent=1, allow_nan=False))
        else:
            self.stdout.write("\n".join(_lines(preview)))


def _contract(text: str) -> OptionContract:
    try:
        return OptionContract.objects.get(occ_symbol=str(parse(text)))
    except ValueError as problem:
        raise CommandError(str(problem)) from problem
    except OptionContract.DoesNotExist:
        raise CommandError(f"{text} is not among the contracts on record.") from None


def _confidence(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and 0 <= value <= 1):
        raise CommandError(f"Confidence is {text}: give a number from 0 to 1.")
    return value


def _lines(preview: dict[str, Any]) -> list[str]:
    """The answer, the factors, the gates that refuse, the warnings and what it can cost."""
    answer = preview["answer"]
    lines = [f"{preview['contract']['label']} at {preview['market']['at']}", answer["sentence"]]
    if answer["refusal"]:
        lines.append(f"Refused: {answer['refusal']['code']}.")
    lines += [
        f"  {s['label']}: {s['before']:,.2f} → {s['after']:,.2f}" for s in preview["trace"]["steps"] if s["changed"]
    ]
    lines += [f"  ✗ {g['rule']}: {g['sentence']}" for g in preview["trace"]["gates"] if not g["passed"]]
    lines += [f"  {a['code']} {a['text']}" for a in preview["advice"]]
    lines += [f"  {c['label']}: {c['dollars']:,.2f}. {c['note']}" for c in preview["costs"] if c["dollars"] is not None]
    if preview["nearest"]:
        lines.append(f"Nearest that passes: {preview['nearest']['label']}. {preview['nearest']['why']}")
    return lines
