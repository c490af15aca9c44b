# SPDX-License-Identifier: Apache-2.0
"""URLs and the few views behind them."""

import hashlib

from django import forms
from django.contrib import admin
from django.http import FileResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import path

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


def crash(request):
    """A view that fails."""
    raise ZeroDivisionError("in a Django view")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("notes/", notes, name="notes"),
    path("notes/<int:number>/file", attachment),
    path("upload/", upload),
    path("stream/", stream),
    path("crash/", crash),
]
