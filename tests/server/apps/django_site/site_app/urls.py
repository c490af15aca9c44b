# SPDX-License-Identifier: Apache-2.0
"""URLs and the few views behind them."""

import datetime
import hashlib
import logging

from django import forms
from django.contrib import admin
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition

from .models import Note


class NoteForm(forms.ModelForm):
    """Text and file of a note."""

    class Meta:
        model = Note
        fields = ("text", "attachment")


def notes(request):
    """A form protected against forgery, and what has been sent with it."""
    form = NoteForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("notes")
    return render(request, "notes.html", {"form": form, "notes": Note.objects.order_by("id")})


def attachment(request, number):
    """The file of a note, through wsgi.file_wrapper."""
    return FileResponse(Note.objects.get(pk=number).attachment.open(), as_attachment=True)


def upload(request):
    """Digests of uploaded files."""
    return JsonResponse(
        {name: [item.name, item.size, hashlib.sha256(item.read()).hexdigest()] for name, item in request.FILES.items()}
    )


def stream(request):
    """A response without a length."""
    rows = (f"{number},{request.path}\n" for number in range(1000))
    return StreamingHttpResponse(rows, content_type="text/csv")


DATE = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


@csrf_exempt
@condition(etag_func=lambda request: '"tag"', last_modified_func=lambda request: DATE)
def conditional(request):
    """A view with validators."""
    return HttpResponse("unchanging")


def visits(request):
    """Counts in the session; says something the third time."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    if request.session["visits"] == 3:
        logging.getLogger("site_app").error("a third visit")
    return JsonResponse({"visits": request.session["visits"]})


def crash(request):
    """A view that fails."""
    raise ZeroDivisionError("in a Django view")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("notes/", notes, name="notes"),
    path("notes/<int:number>/file", attachment),
    path("upload/", upload),
    path("stream/", stream),
    path("conditional/", conditional),
    path("visits/", visits),
    path("crash/", crash),
]
