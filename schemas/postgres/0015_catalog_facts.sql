-- What was so when a catalog version was made, and what its maker chose: its prices begin by it (T3).
ALTER TABLE tallyline.catalog_versions
    -- Windows that end by then were closed. Null: from before it was asked; then from the window that holds effective_at.
    ADD COLUMN closed_up_to timestamptz,
    -- Null: from before there was a choice; then the periods that run.
    ADD COLUMN applies_to text CHECK (applies_to IN ('running', 'next'));

-- Before the first version nothing was priced, and nothing was closed by a rater.
UPDATE tallyline.catalog_versions SET closed_up_to = 'epoch'
WHERE version = (SELECT min(version) FROM tallyline.catalog_versions);
