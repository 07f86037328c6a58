"""The addresses of the account page."""

from django.urls import path

from sessions.account import color, history, home, login, not_me

app_name = "account"

urlpatterns = [
    path("", home.home, name="home"),
    path("color.css", color.color_sheet, name="color"),
    path("login/", login.log_in_page, name="login"),
    path("login/code/", login.code_page, name="login_code"),
    path("logout/", login.log_out_page, name="logout"),
    path("sessions/end-others/", home.end_others, name="end_others"),
    path("sessions/<uuid:session_id>/end/", home.end_one, name="end_one"),
    path("history/", history.history, name="history"),
    path("not-me/<str:token>/", not_me.not_me, name="not_me"),
    path("not-me/done/<str:state>/", not_me.not_me_done, name="not_me_done"),
    path("password/", home.home, name="password"),
    path("email/", home.home, name="email"),
    path("second-factor/", home.home, name="second_factor"),
]
