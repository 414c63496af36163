"""Settings of the project. What differs from host to host comes from the environment, which the ini file sets."""

from __future__ import annotations

import os

# A value of your own, kept secret, belongs into the environment.
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "of this example, which keeps no secrets")
DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")
ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
TIME_ZONE = "UTC"
USE_TZ = True
