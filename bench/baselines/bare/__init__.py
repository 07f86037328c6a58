"""The lower bound: Django's own work for a request, without a token, a database, or Django REST framework."""
