"""Index users by every part of their names, and by the end of their phone number.

Locks: none. The indexes are built while others read and write, which takes minutes for a million users.
"""

import django.contrib.postgres.indexes
import users.models.search_text
from django.db import migrations, models
from django.db.models import Q

from users.index_building import BuildIndex


# The bodies are in the form `RETURN`, which binds the names at once: an index is also computed with an empty
# search_path. Most names are ASCII, and need neither NFKD nor the rules for single letters.
# COST keeps PostgreSQL from computing the trigrams of every user instead of reading the index.
MAKE_FUNCTIONS = r"""
CREATE OR REPLACE FUNCTION users_plain(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 20
RETURN CASE WHEN octet_length(value) = length(value) THEN lower(value)
    ELSE replace(replace(replace(translate(
        lower(regexp_replace(normalize(value, NFKD), '[\u0300-\u036f]', '', 'g')),
        'øłđıħŧ', 'oldiht'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe') END;
CREATE OR REPLACE FUNCTION users_search_text(name text, first_name text, last_name text, username text, email text)
    RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 50
RETURN users_plain(chr(10) || name || chr(10) || first_name || ' ' || last_name || chr(10) || username || chr(10)
    || COALESCE(email, '') || chr(10));
CREATE OR REPLACE FUNCTION users_trigrams(value text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 500
RETURN ARRAY(SELECT substr(value, n, 3) FROM generate_series(1, length(value) - 2) n);
"""
DROP_FUNCTIONS = """
DROP FUNCTION users_trigrams(text);
DROP FUNCTION users_search_text(text, text, text, text, text);
DROP FUNCTION users_plain(text);
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('users', '0005_lists'),
    ]

    operations = [
        migrations.RunSQL(MAKE_FUNCTIONS, DROP_FUNCTIONS),
        BuildIndex(
            model_name='user',
            index=django.contrib.postgres.indexes.GinIndex(
                users.models.search_text.Trigrams(users.models.search_text.SearchText()),
                condition=Q(deleted_at=None),
                name='user_search_text',
            ),
        ),
        BuildIndex(
            model_name='user',
            index=models.Index(
                users.models.search_text.phone_backwards(), condition=Q(deleted_at=None), name='user_phone_end'
            ),
        ),
    ]
