"""A Django project of the smallest size: no database, no applications, two pages."""
