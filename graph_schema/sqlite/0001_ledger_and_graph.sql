-- Records: the exact bytes, and beside them only what is found in those bytes again (verify --deep compares).
CREATE TABLE record(
  seq   INTEGER PRIMARY KEY,
  id    BLOB    NOT NULL UNIQUE,
  type  TEXT    NOT NULL,
  actor TEXT,
  time  INTEGER NOT NULL,
  leaf  BLOB    NOT NULL,
  body  BLOB    NOT NULL
) STRICT;
CREATE INDEX record_by_type ON record(type, seq);
CREATE INDEX record_by_actor ON record(actor, seq) WHERE actor IS NOT NULL;
CREATE TRIGGER record_keeps_what_it_holds BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'records are never changed'); END;
CREATE TRIGGER record_keeps_all BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'records are never deleted'); END;

CREATE TABLE head(
  one          INTEGER PRIMARY KEY CHECK (one = 1),
  size         INTEGER NOT NULL,
  last         BLOB    NOT NULL,
  time         INTEGER NOT NULL,
  frontier     BLOB    NOT NULL,
  fold_version INTEGER NOT NULL,
  mac          BLOB    NOT NULL  -- by the service, whose key lies outside the database: who has only this file cannot append
) STRICT;
CREATE TABLE note(one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, note BLOB NOT NULL) STRICT;
CREATE TABLE tile(level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY(level, number)) STRICT, WITHOUT ROWID;

-- The graph: a fold of the records. Edge rows are assertions and adjacency at once; never ANALYZE this table.
CREATE TABLE node(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;
CREATE TABLE property(
  node INTEGER NOT NULL, ord BLOB NOT NULL, seq INTEGER NOT NULL, registers TEXT NOT NULL, PRIMARY KEY(node, ord)
) STRICT, WITHOUT ROWID;
CREATE TABLE edge(
  src INTEGER NOT NULL, type INTEGER NOT NULL, dst INTEGER NOT NULL, seq INTEGER NOT NULL,
  source INTEGER NOT NULL, at INTEGER NOT NULL, how INTEGER NOT NULL, roles INTEGER NOT NULL,
  PRIMARY KEY(src, type, dst, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX edge_reverse ON edge(dst, type, src, seq);
CREATE TABLE withdrawal(
  src INTEGER NOT NULL, type INTEGER NOT NULL, dst INTEGER NOT NULL, source INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(src, type, dst, source, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE point(
  subject INTEGER NOT NULL, slot TEXT NOT NULL, name TEXT NOT NULL, ord BLOB NOT NULL, n INTEGER NOT NULL,
  seq INTEGER NOT NULL, actor INTEGER, value TEXT NOT NULL,
  PRIMARY KEY(subject, slot, name, ord, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX point_by_slot ON point(slot, ord);
CREATE INDEX point_by_actor ON point(actor, ord) WHERE actor IS NOT NULL;

-- Personal values and raw payloads: encrypted, bound to a record by a digest, erasable.
CREATE TABLE person(mac BLOB PRIMARY KEY, pseudonym TEXT NOT NULL UNIQUE, identity BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE subject_key(subject TEXT PRIMARY KEY, key BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE sealed(
  seq INTEGER NOT NULL, digest TEXT NOT NULL, subject TEXT NOT NULL, key BLOB, ciphertext BLOB NOT NULL,
  PRIMARY KEY(seq, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX sealed_by_subject ON sealed(subject, seq) WHERE key IS NULL;
CREATE TABLE payload(
  digest TEXT PRIMARY KEY, seq INTEGER NOT NULL, salt BLOB NOT NULL, key BLOB NOT NULL, ciphertext BLOB NOT NULL
) STRICT, WITHOUT ROWID;
