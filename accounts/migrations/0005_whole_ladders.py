"""The ladders of a revision are written whole, in one statement: a rung that comes later is refused.

`append_only` keeps what was written from being changed; without this a rung could still be added to a revision that is
in force or long past, and change what its decisions were judged under.
"""

from django.db import migrations

CREATE_FUNCTION = """
CREATE FUNCTION accounts_whole_ladders() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    late bigint;
BEGIN
    SELECT step.revision_id INTO late
    FROM accounts_ladderstep step
    WHERE step.revision_id IN (SELECT revision_id FROM added) AND step.id NOT IN (SELECT id FROM added)
    LIMIT 1;
    IF late IS NOT NULL THEN
        RAISE EXCEPTION 'The ladders of revision % were written whole: no step is added later.', late
            USING ERRCODE = 'integrity_constraint_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_feed_scope")]

    operations = [
        migrations.RunSQL(CREATE_FUNCTION, "DROP FUNCTION accounts_whole_ladders();"),
        migrations.RunSQL(
            "CREATE TRIGGER whole_ladders AFTER INSERT ON accounts_ladderstep REFERENCING NEW TABLE AS added "
            "FOR EACH STATEMENT EXECUTE FUNCTION accounts_whole_ladders();",
            "DROP TRIGGER whole_ladders ON accounts_ladderstep;",
        ),
    ]
