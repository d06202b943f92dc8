"""Promises that a check constraint cannot keep, kept by triggers.

History stays as it was written; an opening order points to an approved decision of its own portfolio and contract; the
initial stop never changes, the stop and the high-water mark only rise (unless a split re-scales them), and every
change to a position raises its version.
"""

from django.db import migrations

APPEND_ONLY = (
    "positions_portfoliostatechange",
    "positions_portfoliomodechange",
    "positions_cashmovement",
    "positions_decision",
    "positions_orderevent",
    "positions_fill",
    "positions_positionevent",
    "positions_partialprofittaking",
)

CREATE_POSITION_FUNCTION = """
CREATE FUNCTION positions_position_promises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version <= OLD.version THEN
        RAISE EXCEPTION 'Position % was changed without raising its version.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'position_version_rises';
    END IF;
    IF NEW.split_factor = OLD.split_factor THEN
        IF OLD.initial_stop IS NOT NULL AND NEW.initial_stop IS DISTINCT FROM OLD.initial_stop THEN
            RAISE EXCEPTION 'The initial stop of position % never changes.', OLD.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'position_initial_stop_fixed';
        END IF;
        IF OLD.current_stop IS NOT NULL AND (NEW.current_stop IS NULL OR NEW.current_stop < OLD.current_stop) THEN
            RAISE EXCEPTION 'The stop of position % only rises.', OLD.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'position_stop_rises';
        END IF;
        IF NEW.high_water < OLD.high_water THEN
            RAISE EXCEPTION 'The high-water mark of position % only rises.', OLD.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'position_high_water_rises';
        END IF;
    END IF;
    RETURN NEW;
END
$$;
"""

CREATE_ORDER_FUNCTION = """
CREATE FUNCTION positions_order_decision_approved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM positions_decision
        WHERE id = NEW.decision_id AND approved AND intent = 'open'
          AND portfolio_id = NEW.portfolio_id AND contract_id = NEW.contract_id AND contracts >= NEW.quantity
    ) THEN
        RAISE EXCEPTION 'Decision % does not approve % of contract % in portfolio %.',
            NEW.decision_id, NEW.quantity, NEW.contract_id, NEW.portfolio_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'order_decision_approved';
    END IF;
    RETURN NEW;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("positions", "0001_initial"), ("accounts", "0002_append_only")]

    operations = [
        *[
            migrations.RunSQL(
                f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION betsizing_append_only();",
                f"DROP TRIGGER append_only ON {table};",
            )
            for table in APPEND_ONLY
        ],
        migrations.RunSQL(CREATE_POSITION_FUNCTION, "DROP FUNCTION positions_position_promises();"),
        migrations.RunSQL(
            "CREATE TRIGGER position_promises BEFORE UPDATE ON positions_position "
            "FOR EACH ROW EXECUTE FUNCTION positions_position_promises();",
            "DROP TRIGGER position_promises ON positions_position;",
        ),
        migrations.RunSQL(CREATE_ORDER_FUNCTION, "DROP FUNCTION positions_order_decision_approved();"),
        migrations.RunSQL(
            "CREATE TRIGGER decision_approved BEFORE INSERT OR UPDATE OF decision_id, portfolio_id, contract_id, "
            "quantity ON positions_order FOR EACH ROW WHEN (NEW.decision_id IS NOT NULL) "
            "EXECUTE FUNCTION positions_order_decision_approved();",
            "DROP TRIGGER decision_approved ON positions_order;",
        ),
    ]
