-- One-hour rollups, made of the minutes; kept far longer than they are.
CREATE TABLE hours (
  site       TEXT    NOT NULL,
  hour       INTEGER NOT NULL,
  results    INTEGER NOT NULL,
  failures   INTEGER NOT NULL,
  first_byte INTEGER,
  PRIMARY KEY (site, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX hours_age ON hours (hour);
