"""Answering an alert."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from riskengine.models import Alert
from riskengine.selectors import alert_for
from riskengine.services.watch.alerts import acknowledge as acknowledge_alert
from riskengine.views.signed_in import signed_in


@signed_in
@require_POST
def acknowledge(request: HttpRequest, alert_id: int) -> HttpResponse:
    """The person has seen it. A repeat changes nothing."""
    try:
        alert = alert_for(request.user, alert_id)
    except Alert.DoesNotExist:
        raise Http404("There is no such alert, or it is not yours.") from None
    if acknowledge_alert(alert=alert, actor=request.user, now=timezone.now()):
        messages.success(request, f"Acknowledged: {alert.title}.")
    else:
        messages.info(request, f"Nothing to do: “{alert.title}” was acknowledged before or has ended.")
    return redirect("desk")
