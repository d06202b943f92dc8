"""Risk parameters, people and tokens in the admin. Wall time is read here and passed on."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Max, QuerySet
from django.forms import ModelForm, modelform_factory
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.defaults import GROUPS, LADDERS, PARAMETERS
from accounts.forms import ApiTokenForm, RestoreForm, RiskProfileCreateForm, RiskProfileForm
from accounts.models import ApiToken, LimitHold, RiskProfile, RiskProfileRevision, User
from accounts.notes import notes_on
from accounts.selectors import (
    describe_ladder,
    differences,
    history,
    holds_in_force,
    ladders_of,
    latest_revision,
    numbers_of,
)
from accounts.services import StaleRevisionError, revoke_token
from accounts.wording import show

admin.site.unregister(Group)


class ReadOnlyAdmin(ModelAdmin):
    """Rows that services write: to be looked at, never typed into."""

    show_full_result_count = False  # counting a million quotes for a footer is not worth the wait

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "is_staff", "is_active", "last_login"]


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass


@admin.register(RiskProfile)
class RiskProfileAdmin(ModelAdmin):
    """A profile is edited as one thing; saving it puts the next immutable revision in force."""

    list_display = ["name", "system", "revision_number", "portfolio_count", "created_at"]
    list_filter = ["system"]
    search_fields = ["name", "slug"]
    ordering = ["name"]
    change_form_before_template = "accounts/profile_notes.html"
    warn_unsaved_form = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[RiskProfile]:
        return (
            super()
            .get_queryset(request)
            .annotate(latest_number=Max("revisions__number"), portfolio_total=Count("portfolios", distinct=True))
        )

    @display(description="revision in force", ordering="latest_number")
    def revision_number(self, profile: RiskProfile) -> int:
        return profile.latest_number

    @display(description="portfolios", ordering="portfolio_total")
    def portfolio_count(self, profile: RiskProfile) -> int:
        return profile.portfolio_total

    def has_delete_permission(self, request: HttpRequest, obj: RiskProfile | None = None) -> bool:
        return False

    def get_form(
        self, request: HttpRequest, obj: RiskProfile | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm]:
        themed = partial(self.formfield_for_dbfield, request=request)
        if obj is None:
            return modelform_factory(RiskProfile, form=RiskProfileCreateForm, formfield_callback=themed)
        return modelform_factory(RiskProfileRevision, form=RiskProfileForm, formfield_callback=themed)

    def get_fieldsets(self, request: HttpRequest, obj: RiskProfile | None = None) -> list[tuple[str | None, dict]]:
        if obj is None:
            return [(None, {"fields": RiskProfileCreateForm.Meta.fields})]
        groups = [
            (
                title,
                {
                    "classes": ["tab"],
                    "fields": [
                        *[p.name for p in PARAMETERS.values() if p.group == group],
                        *[ladder.name for ladder in LADDERS.values() if ladder.group == group],
                    ],
                },
            )
            for group, title in GROUPS.items()
        ]
        return [("Why", {"fields": ["based_on", "reason"]}), *groups]

    def get_prepopulated_fields(self, request: HttpRequest, obj: RiskProfile | None = None) -> dict[str, list[str]]:
        return {"slug": ["name"]} if obj is None else {}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        profile = self.get_object(request, object_id)
        if profile is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_change_permission(request, profile) and self.has_view_permission(request, profile):
            return HttpResponseRedirect(reverse("admin:accounts_riskprofile_history", args=[profile.pk]))
        latest = latest_revision(profile)
        context = {
            "title": f"{profile}: parameters",
            "revision": latest,
            "notes": notes_on(profile.system, numbers_of(latest), ladders_of(latest)),
            "holds": holds_in_force(profile),
            "show_save_and_add_another": False,
        }
        try:
            return super().change_view(request, object_id, form_url, context | (extra_context or {}))
        except (StaleRevisionError, ValidationError) as refusal:  # someone was faster between checking and saving
            sentences = refusal.messages if isinstance(refusal, ValidationError) else [str(refusal)]
            for sentence in sentences:
                messages.error(request, sentence)
            return HttpResponseRedirect(request.get_full_path())

    def save_form(self, request: HttpRequest, form: ModelForm, change: bool) -> RiskProfile:
        return form.profile if change else form.instance

    def save_model(self, request: HttpRequest, obj: RiskProfile, form: ModelForm, change: bool) -> None:
        if change:
            revision = form.revise(author=request.user, now=timezone.now())
            messages.info(request, f"Revision {revision.number} is in force. Open positions keep theirs.")
        else:
            obj.pk = form.create(author=request.user, now=timezone.now()).pk

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: list, change: bool) -> None:
        """A revision has no related rows but its ladders, which the service writes."""

    def construct_change_message(
        self, request: HttpRequest, form: ModelForm, formsets: list | None, add: bool = False
    ) -> list | str:
        if add:
            return [{"added": {}}]
        changed = [form.fields[name].label for name in form.changed_data if name != "reason"]
        return f"Changed {', '.join(changed)}: {form.cleaned_data['reason']}"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Every revision, who, why, and what it changed of the one before."""
        profile = get_object_or_404(RiskProfile, pk=object_id)
        if not self.has_view_or_change_permission(request, profile):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": f"{profile}: revisions",
            "profile": profile,
            "entries": history(profile),
            "may_restore": self.has_change_permission(request, profile),
            "opts": self.opts,
            "original": profile,
            "media": self.media + RiskProfileForm(instance=profile).media,
        }
        return TemplateResponse(request, "accounts/profile_history.html", context | (extra_context or {}))

    def get_urls(self) -> list[URLPattern]:
        restore = path(
            "<int:profile_id>/restore/<int:number>/",
            self.admin_site.admin_view(self.restore_view),
            name="accounts_riskprofile_restore",
        )
        return [restore, *super().get_urls()]

    def restore_view(self, request: HttpRequest, profile_id: int, number: int) -> HttpResponse:
        """Show what restoring would change, ask why, then put the earlier numbers in force as a new revision."""
        profile = get_object_or_404(RiskProfile, pk=profile_id)
        if not self.has_change_permission(request, profile):
            raise PermissionDenied
        earlier = get_object_or_404(profile.revisions, number=number)
        latest = latest_revision(profile)
        form = RestoreForm(request.POST or None, initial={"based_on": latest.number})
        if request.method == "POST" and form.is_valid():
            try:
                revision = form.restore(profile=profile, number=number, author=request.user, now=timezone.now())
            except (StaleRevisionError, ValidationError) as refusal:
                sentences = refusal.messages if isinstance(refusal, ValidationError) else [str(refusal)]
                form.add_error(None, sentences)
            else:
                self.log_change(request, profile, f"Restored revision {number}: {revision.reason}")
                messages.success(
                    request, f"Revision {revision.number} has the numbers of revision {number} and is in force."
                )
                return HttpResponseRedirect(reverse("admin:accounts_riskprofile_history", args=[profile.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{profile}: restore revision {number}",
            "profile": profile,
            "earlier": earlier,
            "latest": latest,
            "differences": differences(latest, earlier),
            "form": form,
            "opts": self.opts,
            "original": profile,
            "media": self.media + RiskProfileForm(instance=profile).media,
        }
        return TemplateResponse(request, "accounts/profile_restore.html", context)


@admin.register(RiskProfileRevision)
class RiskProfileRevisionAdmin(ReadOnlyAdmin):
    list_display = ["profile", "number", "author_name", "in_force_from", "reason"]
    list_filter = ["profile"]
    search_fields = ["profile__name", "author_name", "reason"]
    ordering = ["profile", "-number"]
    list_select_related = ["profile"]
    readonly_fields = ["numbers"]

    class Media:
        css = {"all": ["accounts/profile.css"]}

    fieldsets = [
        (None, {"fields": [("profile", "number"), ("in_force_from", "author_name"), "restored_from", "reason"]}),
        (None, {"fields": ["numbers"]}),
    ]

    @display(description="Numbers")
    def numbers(self, revision: RiskProfileRevision) -> SafeString:
        numbers, ladders = numbers_of(revision), ladders_of(revision)
        groups = [
            (
                title,
                [
                    *[(p.label, show(numbers[p.name], p.unit)) for p in PARAMETERS.values() if p.group == group],
                    *[(x.label, describe_ladder(x, ladders[x.name])) for x in LADDERS.values() if x.group == group],
                ],
            )
            for group, title in GROUPS.items()
        ]
        return render_to_string("accounts/_numbers.html", {"groups": groups})


@admin.register(LimitHold)
class LimitHoldAdmin(ReadOnlyAdmin):
    list_display = ["profile", "parameter", "held_by", "placed_at", "lifted_at"]
    list_filter = ["profile"]
    ordering = ["-placed_at"]


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    """Tokens are issued and revoked, never edited; the secret is shown once."""

    list_display = ["name", "user", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]
    list_filter = ["user"]
    search_fields = ["name", "user__username", "prefix"]
    ordering = ["-created_at"]
    autocomplete_fields = ["user"]
    actions = ["revoke"]

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def get_form(
        self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm]:
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        themed = partial(self.formfield_for_dbfield, request=request)
        return modelform_factory(ApiToken, form=ApiTokenForm, formfield_callback=themed)

    def get_fieldsets(self, request: HttpRequest, obj: ApiToken | None = None) -> list[tuple[str | None, dict]]:
        shown = ["user", "name", "scopes"]
        if obj is None:
            return [(None, {"fields": [*shown, "valid_days"]})]
        return [(None, {"fields": [*shown, "prefix", "created_at", "expires_at", "last_used_at", "revoked_at"]})]

    def save_form(self, request: HttpRequest, form: ModelForm, change: bool) -> ApiToken:
        return form.instance

    def save_model(self, request: HttpRequest, obj: ApiToken, form: ModelForm, change: bool) -> None:
        token, secret = form.issue(now=timezone.now())
        obj.pk, obj.prefix = token.pk, token.prefix
        messages.warning(request, f"The secret, shown this once: {secret}")

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: list, change: bool) -> None:
        """A token has no related rows."""

    @admin.action(description="Revoke", permissions=["add"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        ended = sum(revoke_token(token=token, now=timezone.now()) for token in tokens)
        messages.success(request, f"{ended} of {len(tokens)} tokens revoked.")
