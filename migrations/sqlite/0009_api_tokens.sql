-- API tokens, with which programs read what one user may read.
--
-- SECRET_SHA256 is the SHA-256 of the secret, which is stored nowhere. Times are nanoseconds since
-- the Unix epoch; LAST_USED_AT is a full hour. A revoked token is deleted, and so are all tokens of
-- a user who is erased. IS_RESTRICTED tells a token without an experiment from one for any.
CREATE TABLE API_TOKENS (
    ID INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    USER_ID TEXT NOT NULL REFERENCES USERS (ID),
    NAME TEXT NOT NULL,
    SECRET_SHA256 BLOB NOT NULL UNIQUE,
    CREATED_AT INTEGER NOT NULL,
    EXPIRES_AT INTEGER NOT NULL,
    LAST_USED_AT INTEGER,
    IS_RESTRICTED INTEGER NOT NULL CHECK (IS_RESTRICTED IN (0, 1))
) STRICT;

CREATE INDEX IX_API_TOKENS_USER ON API_TOKENS (USER_ID);

-- The experiments that a restricted token may read.
CREATE TABLE API_TOKEN_EXPERIMENTS (
    TOKEN_ID INTEGER NOT NULL REFERENCES API_TOKENS (ID) ON DELETE CASCADE,
    EXPERIMENT_ID INTEGER NOT NULL REFERENCES EXPERIMENTS (ID),
    PRIMARY KEY (TOKEN_ID, EXPERIMENT_ID)
) STRICT, WITHOUT ROWID;
