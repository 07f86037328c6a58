from knox.views import LoginView as KnoxLoginView
from rest_framework.authentication import BasicAuthentication


class LoginView(KnoxLoginView):
    """By name and password in the header: the cheaper of the two ways in knox's documentation."""

    authentication_classes = [BasicAuthentication]
