-- A key of whoever runs the installation may see what concerns all tenants together. Until scopes come, that is the log's offsets.
ALTER TABLE tallyline.api_keys ADD COLUMN operator boolean NOT NULL DEFAULT false;

-- Gateways keep what they know of a key for seconds: they are told of each change.
CREATE FUNCTION tallyline.notify_api_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('tallyline_api_keys', encode(coalesce(NEW.key_hash, OLD.key_hash), 'hex'));
  RETURN NULL;
END
$$;

CREATE TRIGGER notify_api_key AFTER INSERT OR UPDATE OR DELETE ON tallyline.api_keys
  FOR EACH ROW EXECUTE FUNCTION tallyline.notify_api_key();
