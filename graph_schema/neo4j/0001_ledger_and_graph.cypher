// Which of these files were applied, each with its SHA-256.
CREATE CONSTRAINT migration IF NOT EXISTS FOR (m:Migration) REQUIRE m.number IS UNIQUE;

// Records: the exact bytes, and beside them only what is found in those bytes again. Community can neither make a property
// compulsory nor keep a user from changing a record: the signed chain is what shows it (SECURITY.md).
CREATE CONSTRAINT record_number IF NOT EXISTS FOR (r:Record) REQUIRE (r.log, r.seq) IS UNIQUE;
CREATE CONSTRAINT record_id IF NOT EXISTS FOR (r:Record) REQUIRE r.id IS UNIQUE;
CREATE INDEX record_by_time IF NOT EXISTS FOR (r:Record) ON (r.log, r.time, r.seq);
CREATE INDEX record_by_type IF NOT EXISTS FOR (r:Record) ON (r.type, r.seq);
CREATE INDEX record_by_actor IF NOT EXISTS FOR (r:Record) ON (r.actor, r.seq);
CREATE CONSTRAINT ledger_head IF NOT EXISTS FOR (h:LedgerHead) REQUIRE h.log IS UNIQUE;
CREATE CONSTRAINT checkpoint IF NOT EXISTS FOR (c:Checkpoint) REQUIRE c.log IS UNIQUE;
CREATE CONSTRAINT tile IF NOT EXISTS FOR (t:Tile) REQUIRE (t.level, t.number) IS UNIQUE;

// The graph: a fold of the records. What the relationships of a record say is on them; points are found by subject and slot.
CREATE CONSTRAINT entity_key IF NOT EXISTS FOR (e:Entity) REQUIRE e.key IS UNIQUE;
CREATE INDEX said_first IF NOT EXISTS FOR ()-[a:ABOUT]-() ON (a.words);
CREATE INDEX said_again IF NOT EXISTS FOR ()-[a:ABOUT_AGAIN]-() ON (a.words, a.ord);
CREATE INDEX point_by_subject IF NOT EXISTS FOR (p:Point) ON (p.subject, p.slot, p.name, p.ord);
CREATE INDEX point_by_slot IF NOT EXISTS FOR (p:Point) ON (p.slot, p.ord);

// Personal values and raw payloads: encrypted, bound to a record by a digest, erasable.
CREATE CONSTRAINT pseudonym_of IF NOT EXISTS FOR (p:Pseudonym) REQUIRE p.mac IS UNIQUE;
CREATE CONSTRAINT pseudonym IF NOT EXISTS FOR (p:Pseudonym) REQUIRE p.pseudonym IS UNIQUE;
CREATE CONSTRAINT subject_key IF NOT EXISTS FOR (k:SubjectKey) REQUIRE k.subject IS UNIQUE;
CREATE CONSTRAINT sealed_value IF NOT EXISTS FOR (s:SealedValue) REQUIRE (s.seq, s.digest) IS UNIQUE;
CREATE INDEX sealed_by_subject IF NOT EXISTS FOR (s:SealedValue) ON (s.subject, s.seq);
CREATE CONSTRAINT payload IF NOT EXISTS FOR (p:Payload) REQUIRE p.digest IS UNIQUE;
