"""A Django site without a database, for tests: set up once in a process, URLs given by each test module."""

from __future__ import annotations

import django
from django.conf import settings


def set_up() -> None:
    """Configure Django; a test module names its URLs with `override_settings(ROOT_URLCONF=__name__)`."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
            SECRET_KEY="only for tests",
            USE_TZ=True,
        )
        django.setup()
