# SPDX-License-Identifier: Apache-2.0
"""One model, so that there is something in the admin."""

from django.db import models


class Note(models.Model):
    """A line of text, perhaps with a file."""

    text = models.CharField(max_length=200)
    attachment = models.FileField(upload_to="notes/", blank=True)

    def __str__(self):
        return self.text
