-- What is known of messages from the broker (specification §4).

-- Every message-id that was seen within the deduplication window. SEEN_AT is when (nanoseconds since the
-- Unix epoch), or NULL while the message is kept among the rejected ones: such an id is not forgotten, or
-- a redelivery would be rejected twice. Whoever removes the rejected message because it is stored at last sets
-- SEEN_AT; whoever discards it removes the id with it.
CREATE TABLE MESSAGE_IDS (
    MESSAGE_ID BLOB NOT NULL PRIMARY KEY,
    SEEN_AT INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX IX_MESSAGE_IDS_SEEN_AT ON MESSAGE_IDS (SEEN_AT);

-- The messages that can never be stored, kept whole. PROPERTIES is a JSON object, kept as the text it is.
--
-- A page of them is one range of one of the two indexes, in order: last received first, all or those of one
-- reason, between any two moments. In the order of their ids a page of some hour in the past would begin with
-- reading all that came since.
CREATE TABLE REJECTED_MESSAGES (
    ID INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    REASON TEXT NOT NULL,
    DETAIL TEXT NOT NULL,
    RECEIVED_AT INTEGER NOT NULL,
    MESSAGE_ID BLOB UNIQUE,
    PROPERTIES TEXT NOT NULL,
    SIZE INTEGER NOT NULL
) STRICT;

CREATE INDEX IX_REJECTED_MESSAGES_RECEIVED ON REJECTED_MESSAGES (RECEIVED_AT, ID);
CREATE INDEX IX_REJECTED_MESSAGES_REASON ON REJECTED_MESSAGES (REASON, RECEIVED_AT, ID);

-- Their bodies, in chunks numbered from 0: the same shape as in the MySQL schema.
CREATE TABLE REJECTED_MESSAGE_BODIES (
    REJECTED_MESSAGE_ID INTEGER NOT NULL REFERENCES REJECTED_MESSAGES (ID) ON DELETE CASCADE,
    CHUNK INTEGER NOT NULL,
    BODY BLOB NOT NULL,
    PRIMARY KEY (REJECTED_MESSAGE_ID, CHUNK)
) STRICT;
