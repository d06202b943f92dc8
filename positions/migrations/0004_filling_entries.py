"""While an entry is still filling its stops and high-water mark follow the average entry price; after that the promises
of 0002 hold as before. What the paper broker executed stays as it was written."""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION positions_position_promises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version <= OLD.version THEN
        RAISE EXCEPTION 'Position %% was changed without raising its version.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'position_version_rises';
    END IF;
    IF NEW.split_factor = OLD.split_factor {filling} THEN
        IF OLD.initial_stop IS NOT NULL AND NEW.initial_stop IS DISTINCT FROM OLD.initial_stop THEN
            RAISE EXCEPTION 'The initial stop of position %% never changes.', OLD.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'position_initial_stop_fixed';
        END IF;
        IF OLD.current_stop IS NOT NULL AND (NEW.current_stop IS NULL OR NEW.current_stop < OLD.current_stop) THEN
            RAISE EXCEPTION 'The stop of position %% only rises.', OLD.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'position_stop_rises';
        END IF;
        IF NEW.high_water < OLD.high_water THEN
            RAISE EXCEPTION 'The high-water mark of position %% only rises.', OLD.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'position_high_water_rises';
        END IF;
    END IF;
    RETURN NEW;
END
$$;
""".replace("%%", "%")


class Migration(migrations.Migration):
    dependencies = [("positions", "0003_the_loop")]

    operations = [
        migrations.RunSQL(
            FUNCTION.format(filling="AND NEW.quantity_opened = OLD.quantity_opened"), FUNCTION.format(filling="")
        ),
        migrations.RunSQL(
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON positions_paperexecution "
            "FOR EACH ROW EXECUTE FUNCTION betsizing_append_only();",
            "DROP TRIGGER append_only ON positions_paperexecution;",
        ),
    ]
