import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Replace the table of reset codes. Codes that are under way end with it.

    They must not stay: they have 8 digits, and the limit of five tries that protected them is gone.
    """

    dependencies = [
        ('users', '0007_device_token_indexes'),
    ]

    operations = [
        migrations.DeleteModel(name='ResetCode'),
        migrations.CreateModel(
            name='OneTimeCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('purpose', models.CharField(choices=[('reset', 'choose a new password')], max_length=20)),
                ('digest', models.BinaryField(max_length=32)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user', 'purpose'), name='one_time_code_per_purpose')],
            },
        ),
        migrations.AlterField(
            model_name='refusedlogin',
            name='reason',
            field=models.CharField(choices=[('unknown_user', 'unknown user'), ('wrong_password', 'wrong password'), ('known_place', 'wrong password or code, known place'), ('wrong_code', 'wrong reset code'), ('disabled', 'account disabled'), ('too_many', 'too many attempts')], max_length=20),
        ),
    ]
