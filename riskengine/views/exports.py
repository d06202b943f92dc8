"""Tables of a page as files: `?format=csv&table=trades` beside whatever the page itself was asked for."""

from collections.abc import Iterable, Mapping, Sequence

from django.http import Http404, HttpRequest, HttpResponse

from riskengine.services.study.exports import Row, Table, csv_text, json_text

FORMATS = ("csv", "json")


def csv_response(name: str, columns: Sequence[str], rows: Iterable[Row]) -> HttpResponse:
    """A file `name`.csv, saved and not shown."""
    return _file(csv_text(Table(columns, rows)), "text/csv; charset=utf-8", f"{name}.csv")


def json_response(name: str, columns: Sequence[str], rows: Iterable[Row]) -> HttpResponse:
    """The same as `name`.json."""
    return _file(json_text(Table(columns, rows)), "application/json", f"{name}.json")


def exported(request: HttpRequest, name: str, tables: Mapping[str, Table]) -> HttpResponse | None:
    """The table that the address asks for as a file named after the page and itself; None: the page is asked for.

    Where a page has one table, its name may be left out.
    """
    wanted = request.GET.get("format", "")
    if not wanted:
        return None
    which = request.GET.get("table") or (next(iter(tables)) if len(tables) == 1 else "")
    if wanted not in FORMATS or which not in tables:
        raise Http404(f"There is no such file here. Tables: {', '.join(tables)}; formats: {', '.join(FORMATS)}.")
    answer = csv_response if wanted == "csv" else json_response
    table = tables[which]
    return answer(name if which == name else f"{name}-{which}", table.columns, table.rows)


def _file(text: str, content_type: str, name: str) -> HttpResponse:
    answer = HttpResponse(text, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
