-- Who may sign in (specification §2). Text is compared byte by byte, as SQLite does by itself.

CREATE TABLE ROLES (
    ID INTEGER NOT NULL PRIMARY KEY,
    NAME TEXT NOT NULL UNIQUE
) STRICT;

INSERT INTO ROLES (ID, NAME) VALUES (1, 'ADMIN'), (2, 'SCIENTIST');

-- An erased user keeps the row, so that the id can never be used again, but of the columns only ID, ROLE and
-- ERASED_AT (nanoseconds since the Unix epoch). EMAIL_KEY is the e-mail address without regard to case, as
-- the program computes it; SQLite itself knows the case of ASCII only.
CREATE TABLE USERS (
    ID TEXT NOT NULL PRIMARY KEY,
    NAME TEXT,
    USERNAME TEXT UNIQUE,
    EMAIL TEXT,
    EMAIL_KEY TEXT UNIQUE,
    ROLE INTEGER NOT NULL REFERENCES ROLES (ID),
    ERASED_AT INTEGER,
    CHECK (
        (ERASED_AT IS NULL AND NAME IS NOT NULL AND USERNAME IS NOT NULL
            AND EMAIL IS NOT NULL AND EMAIL_KEY IS NOT NULL)
        OR (ERASED_AT IS NOT NULL AND NAME IS NULL AND USERNAME IS NULL
            AND EMAIL IS NULL AND EMAIL_KEY IS NULL)
    )
) STRICT;
