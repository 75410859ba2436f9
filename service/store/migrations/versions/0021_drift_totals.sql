-- Migration 0021: drift found and repaired, counted for ever. Frozen: change the schema by a new migration.

-- The records of the runs are thinned out, so that sums over them go back; these do not. Kept by a trigger, so that
-- whatever writes records, code of the version before included, counts.
CREATE TABLE drift_totals (
    what TEXT NOT NULL,
    kind TEXT NOT NULL,
    total BIGINT NOT NULL,
    CONSTRAINT drift_totals_pkey PRIMARY KEY (what, kind),
    CONSTRAINT drift_totals_what_known CHECK (what IN ('found', 'repaired'))
);

CREATE FUNCTION fairdeal_count_drift() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO drift_totals (what, kind, total)
    SELECT counts.what, one.key, CAST(one.value AS bigint) - coalesce(CAST(counts.before ->> one.key AS bigint), 0)
    FROM (VALUES ('found', NEW.found, CASE WHEN TG_OP = 'UPDATE' THEN OLD.found END),
                 ('repaired', NEW.repaired, CASE WHEN TG_OP = 'UPDATE' THEN OLD.repaired END))
         AS counts (what, after, before)
    CROSS JOIN LATERAL jsonb_each_text(counts.after) AS one
    WHERE CAST(one.value AS bigint) > coalesce(CAST(counts.before ->> one.key AS bigint), 0)
    ORDER BY 1, 2
    ON CONFLICT (what, kind) DO UPDATE SET total = drift_totals.total + excluded.total;
    RETURN NULL;
END $$;

CREATE TRIGGER reconciliations_count_drift_found AFTER INSERT ON reconciliations
    FOR EACH ROW WHEN (NOT NEW.dry_run AND (NEW.found <> '{}' OR NEW.repaired <> '{}'))
    EXECUTE FUNCTION fairdeal_count_drift();
CREATE TRIGGER reconciliations_count_drift_finished AFTER UPDATE OF found, repaired ON reconciliations
    FOR EACH ROW WHEN (NOT NEW.dry_run AND (NEW.found <> OLD.found OR NEW.repaired <> OLD.repaired))
    EXECUTE FUNCTION fairdeal_count_drift();
