"""What a page or endpoint may open. A stranger's portfolio reads as absent."""

from django.http import Http404

from accounts.models import User
from positions.models import Portfolio
from positions.selectors import portfolio_for


def portfolio_or_404(user: User, slug: str) -> Portfolio:
    """The portfolio, or 404 whether it is missing or someone else's: a stranger learns nothing."""
    try:
        return portfolio_for(user, slug)
    except Portfolio.DoesNotExist:
        raise Http404("There is no such portfolio, or it is not yours.") from None
