"""Pages of rows by cursor, and the answer where there is nothing: what every list of the API shares."""

from typing import Any

from rest_framework.pagination import CursorPagination

from betsizing.errors import ErrorsSerializer

NOT_THERE = {404: ErrorsSerializer}


class LatestFirst(CursorPagination):
    """50 a page, 200 at the most. Follow `next`: a row that is added meanwhile moves no other to another page."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering = "-id"

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described = super().get_paginated_response_schema(schema)
        address = f"http://127.0.0.1:8000/api/v1/replays/?{self.cursor_query_param}=cD00Mg%3D%3D"
        described["properties"]["next"]["example"] = address
        described["properties"]["previous"]["example"] = None
        return described
