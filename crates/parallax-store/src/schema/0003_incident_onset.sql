-- When an incident began, with its interval; all three are NULL where the results did not tell.
ALTER TABLE incidents ADD COLUMN onset_at INTEGER;
ALTER TABLE incidents ADD COLUMN onset_earliest INTEGER;
ALTER TABLE incidents ADD COLUMN onset_latest INTEGER;
