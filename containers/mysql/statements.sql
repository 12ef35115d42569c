-- The statements of the last minute of which one took a second or longer, as JSON lines.
-- DIGEST_TEXT has `?` in place of every literal, so no line holds personal data; the slow query log
-- would.
SELECT JSON_OBJECT(
    '@timestamp', DATE_FORMAT(LAST_SEEN, '%Y-%m-%dT%H:%i:%s.%fZ'),
    'message', DIGEST_TEXT,
    'mysql.digest', DIGEST,
    'mysql.executions', COUNT_STAR,
    'mysql.seconds_max', MAX_TIMER_WAIT / 1e12,
    'mysql.seconds_total', SUM_TIMER_WAIT / 1e12,
    'mysql.rows_examined', SUM_ROWS_EXAMINED,
    'mysql.rows_sent', SUM_ROWS_SENT)
FROM performance_schema.events_statements_summary_by_digest
WHERE SCHEMA_NAME = 'my_monit' AND MAX_TIMER_WAIT >= 1e12;
TRUNCATE TABLE performance_schema.events_statements_summary_by_digest;
