-- What an experiment is about, and whether it is over: an archived experiment is readable but takes
-- no new measures.
ALTER TABLE EXPERIMENTS ADD COLUMN DESCRIPTION TEXT NOT NULL DEFAULT '';
ALTER TABLE EXPERIMENTS ADD COLUMN ARCHIVED INTEGER NOT NULL DEFAULT 0 CHECK (ARCHIVED IN (0, 1));
