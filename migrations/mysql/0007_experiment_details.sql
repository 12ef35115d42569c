-- What an experiment is about, and whether it is over: an archived experiment is readable but takes
-- no new measures.
ALTER TABLE EXPERIMENTS
    ADD COLUMN DESCRIPTION VARCHAR(2000) NOT NULL DEFAULT '',
    ADD COLUMN ARCHIVED BOOLEAN NOT NULL DEFAULT FALSE;
