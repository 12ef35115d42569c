"""A SQLite client: runs statements from standard input and prints rows as tab-separated lines.

Takes the path of the database as its argument. A statement runs as soon as its last line is read.
"""

import sqlite3
import sys

connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
statement = ""
while line := sys.stdin.readline():
    statement += line
    if sqlite3.complete_statement(statement):
        for row in connection.execute(statement):
            print("\t".join("NULL" if value is None else str(value) for value in row))
        sys.stdout.flush()
        statement = ""
