from django.db import migrations, models

from users.sealing import Purpose, seal, unseal

BATCH = 10_000


def seal_all(apps, schema_editor):
    _fill(schema_editor, source='token', target='sealed_token', change=lambda text: seal(text, Purpose.DEVICE_TOKEN))


def unseal_all(apps, schema_editor):
    """Raises CannotUnseal, and changes nothing, when the key of one token is lost."""
    _fill(schema_editor, source='sealed_token', target='token', change=lambda box: unseal(box, Purpose.DEVICE_TOKEN))


def _fill(schema_editor, *, source, target, change):
    kind = 'bytea' if target == 'sealed_token' else 'text'
    last = 0
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(f'SELECT id, {source} FROM users_devicetoken WHERE id > %s ORDER BY id LIMIT {BATCH}', [last])
            rows = cursor.fetchall()
            if not rows:
                return
            last = rows[-1][0]
            cursor.execute(
                f'UPDATE users_devicetoken t SET {target} = f.value'
                f' FROM unnest(%s::bigint[], %s::{kind}[]) f (id, value) WHERE t.id = f.id',
                [[pk for pk, _ in rows], [change(value) for _, value in rows]],
            )


# A dropped column and the old versions of updated rows stay in the table's file until something overwrites them.
# A change of a column's type writes the rows that are left, without dropped columns, to a new file.
REWRITE = "ALTER TABLE users_devicetoken ALTER COLUMN sealed_token TYPE bytea USING sealed_token || ''::bytea"
HELP = 'Encrypted under a key that is derived from SECRET_KEY.'


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0016_password_changed_at'),
    ]

    operations = [
        migrations.AddField('devicetoken', 'sealed_token', models.BinaryField(null=True, help_text=HELP)),
        # For the way back, which adds the column to a table with rows.
        migrations.AlterField('devicetoken', 'token', models.CharField(max_length=4096, null=True)),
        migrations.RunPython(seal_all, unseal_all),
        migrations.AlterField('devicetoken', 'sealed_token', models.BinaryField(help_text=HELP)),
        migrations.RemoveField('devicetoken', 'token'),
        migrations.RunSQL(REWRITE, migrations.RunSQL.noop),
    ]
