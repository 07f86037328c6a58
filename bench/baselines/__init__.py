"""What ZapAuth is measured against: each a Django project of its own, as its documentation recommends."""
