"""Rows that are history stay as they were written: a trigger refuses UPDATE and DELETE.

`betsizing_append_only()` serves every app. TRUNCATE (which only an owner of the table may do) is left to test runs.
"""

from django.db import migrations

APPEND_ONLY = ("accounts_riskprofilerevision", "accounts_ladderstep")

CREATE_FUNCTION = """
CREATE FUNCTION betsizing_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: a row is never changed or deleted.', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', TABLE = TG_TABLE_NAME;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunSQL(CREATE_FUNCTION, "DROP FUNCTION betsizing_append_only();"),
        *[
            migrations.RunSQL(
                f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION betsizing_append_only();",
                f"DROP TRIGGER append_only ON {table};",
            )
            for table in APPEND_ONLY
        ],
    ]
