"""The baselines that ZapAuth is compared with. Each is a Django project, set up as its documentation recommends."""
