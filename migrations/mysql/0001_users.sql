-- Who may sign in (specification §2).
--
-- Text is compared byte by byte: utf8mb4_bin is the one binary collation that MySQL 8.4 and MariaDB 10.11
-- share. It ignores trailing spaces, which no stored text has, since the model trims it.

CREATE TABLE ROLES (
    ID TINYINT UNSIGNED NOT NULL,
    NAME VARCHAR(32) NOT NULL,
    PRIMARY KEY (ID),
    UNIQUE KEY UK_ROLES_NAME (NAME)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT INTO ROLES (ID, NAME) VALUES (1, 'ADMIN'), (2, 'SCIENTIST');

-- An erased user keeps the row, so that the id can never be used again, but of the columns only ID, ROLE and
-- ERASED_AT (nanoseconds since the Unix epoch). EMAIL_KEY is the e-mail address without regard to case, as
-- the program computes it; no collation knows the case rules of all Unicode alike on both servers. It may
-- be longer than the address, since lower case can take more characters.
CREATE TABLE USERS (
    ID VARCHAR(30) NOT NULL,
    NAME VARCHAR(100) NULL,
    USERNAME VARCHAR(128) NULL,
    EMAIL VARCHAR(254) NULL,
    EMAIL_KEY VARCHAR(762) NULL,
    ROLE TINYINT UNSIGNED NOT NULL,
    ERASED_AT BIGINT NULL,
    PRIMARY KEY (ID),
    UNIQUE KEY UK_USERS_USERNAME (USERNAME),
    UNIQUE KEY UK_USERS_EMAIL_KEY (EMAIL_KEY),
    CONSTRAINT FK_USERS_ROLE FOREIGN KEY (ROLE) REFERENCES ROLES (ID),
    CONSTRAINT CK_USERS_ERASED CHECK (
        (ERASED_AT IS NULL AND NAME IS NOT NULL AND USERNAME IS NOT NULL
            AND EMAIL IS NOT NULL AND EMAIL_KEY IS NOT NULL)
        OR (ERASED_AT IS NOT NULL AND NAME IS NULL AND USERNAME IS NULL
            AND EMAIL IS NULL AND EMAIL_KEY IS NULL)
    )
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
