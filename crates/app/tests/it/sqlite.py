"""A SQLite client: runs the statements of its standard input and prints rows with tabs between the columns.

Takes the path of the database as its argument. A statement is run as soon as the line with its end is read.
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
