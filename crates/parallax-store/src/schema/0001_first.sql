-- Times are microseconds since 1970 (UTC), unsigned numbers keep their bits in SQLite's signed ones, words and names are the model's text.

-- Batches of results as they came, in the order of their commit. `skip` leading results were kept before by another batch.
CREATE TABLE journal (
  id          INTEGER PRIMARY KEY,
  agent       TEXT    NOT NULL,
  epoch       INTEGER NOT NULL,
  first_seq   INTEGER NOT NULL,
  count       INTEGER NOT NULL,
  skip        INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  checksum    INTEGER NOT NULL,
  columns     BLOB    NOT NULL
) STRICT;
CREATE INDEX journal_received ON journal (received_at);

-- The last seq that was kept of each epoch, and how many results before it never came. `results` counts what was kept.
CREATE TABLE marks (
  agent      TEXT    NOT NULL,
  epoch      INTEGER NOT NULL,
  through    INTEGER NOT NULL,
  missing    INTEGER NOT NULL,
  results    INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (agent, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  hash        BLOB    NOT NULL PRIMARY KEY,
  agent       TEXT    NOT NULL,
  created_at  INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  redeemed_at INTEGER,
  redeemed_by BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_expiry ON tokens (expires_at);

CREATE TABLE agents (
  agent           TEXT    NOT NULL PRIMARY KEY,
  key_fingerprint BLOB    NOT NULL,
  enrolled_at     INTEGER NOT NULL,
  revoked_at      INTEGER,
  last_heard      INTEGER,
  version         TEXT    NOT NULL DEFAULT '',
  declared        TEXT    NOT NULL DEFAULT '{}',
  vantage         TEXT    NOT NULL DEFAULT '{}',
  results         INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE targets (
  target      TEXT    NOT NULL PRIMARY KEY,
  interval_us INTEGER NOT NULL,
  added_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
  id        TEXT    NOT NULL PRIMARY KEY,
  site      TEXT    NOT NULL,
  opened_at INTEGER NOT NULL,
  closed_at INTEGER,
  steps     TEXT    NOT NULL
) STRICT;
CREATE INDEX incidents_opened ON incidents (opened_at);
CREATE INDEX incidents_site ON incidents (site, opened_at);
CREATE INDEX incidents_open ON incidents (opened_at) WHERE closed_at IS NULL;

CREATE TABLE minutes (
  site       TEXT    NOT NULL,
  minute     INTEGER NOT NULL,
  results    INTEGER NOT NULL,
  failures   INTEGER NOT NULL,
  first_byte INTEGER,
  PRIMARY KEY (site, minute)
) STRICT, WITHOUT ROWID;
CREATE INDEX minutes_age ON minutes (minute);

-- `problem` is null for "works for me".
CREATE TABLE reports (
  id       INTEGER PRIMARY KEY,
  site     TEXT    NOT NULL,
  at       INTEGER NOT NULL,
  problem  TEXT,
  reporter INTEGER NOT NULL
) STRICT;
CREATE INDEX reports_site ON reports (site, at);
CREATE INDEX reports_reporter ON reports (site, reporter, at);
CREATE INDEX reports_age ON reports (at);

CREATE TABLE checks (
  id     TEXT    NOT NULL PRIMARY KEY,
  at     INTEGER NOT NULL,
  target TEXT    NOT NULL,
  events BLOB    NOT NULL
) STRICT;
CREATE INDEX checks_age ON checks (at);

CREATE TABLE site_states (
  site  TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
