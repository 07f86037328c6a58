"""The addresses of the account page."""

from django.urls import path

from sessions.account import color, email, forgotten, history, home, login, not_me, password
from sessions.account.factor import AccountFactorPages
from sessions.account.invitation import invitation_page

app_name = "account"

urlpatterns = [
    path("", home.home, name="home"),
    path("color.css", color.color_sheet, name="color"),
    path("login/", login.log_in_page, name="login"),
    path("login/code/", login.code_page, name="login_code"),
    path("logout/", login.log_out_page, name="logout"),
    path("forgotten/", forgotten.ask, name="forgotten"),
    path("forgotten/code/", forgotten.set_password, name="forgotten_code"),
    path("sessions/end-others/", home.end_others, name="end_others"),
    path("sessions/<uuid:session_id>/end/", home.end_one, name="end_one"),
    path("history/", history.history, name="history"),
    path("invitation/<str:token>/", invitation_page, name="invitation"),
    path("not-me/<str:token>/", not_me.not_me, name="not_me"),
    path("not-me/done/<str:state>/", not_me.not_me_done, name="not_me_done"),
    path("password/", password.change_password, name="password"),
    path("email/", email.change_email, name="email"),
    path("email/code/", email.verify, name="email_code"),
    path("email/code/again/", email.mail_code_again, name="email_code_again"),
    path("email/keep/", email.keep_email, name="email_keep"),
    *AccountFactorPages().urls(),
]
