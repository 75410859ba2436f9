-- Migration 0008: since when an agent has been away, by the database's clock and whoever writes the row. Saying "away"
-- once more does not begin anew.

ALTER TABLE agents ADD COLUMN away_since TIMESTAMP WITH TIME ZONE;

UPDATE agents SET away_since = clock_timestamp() WHERE availability = 'away';

CREATE INDEX agents_away_since_idx ON agents (away_since) WHERE away_since IS NOT NULL;

CREATE FUNCTION fairdeal_stamp_away() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.availability <> 'away' THEN
        NEW.away_since := NULL;
    ELSIF TG_OP = 'INSERT' OR OLD.availability <> 'away' THEN
        NEW.away_since := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER agents_stamp_away BEFORE INSERT OR UPDATE OF availability ON agents
    FOR EACH ROW EXECUTE FUNCTION fairdeal_stamp_away();
