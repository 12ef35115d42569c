use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use mymonit_test_support::{numbers, wait_until};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::{Engine, TIMEOUT};

/// Debian's interpreter: python3-pika installs for it, and its standard library has SQLite.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// Counts the statements that wait for a table which another MySQL session has locked.
pub(crate) const WAITING_FOR_A_TABLE: &str = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
    WHERE DB = DATABASE() AND STATE = 'Waiting for table metadata lock'";

/// A direct connection to the database, like another program's. Transactions span statements and
/// end with the connection.
pub(crate) struct Session {
    engine: Engine,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    errors: ChildStderr,
    statements: u64,
}

impl Session {
    /// Opens a session with a client that reads statements and prints rows with tabs between the
    /// columns.
    pub(crate) fn open(engine: Engine, mut client: Command) -> anyhow::Result<Self> {
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = client.spawn()?;
        let input = child.stdin.take().context("standard input")?;
        let output = BufReader::new(child.stdout.take().context("standard output")?).lines();
        let errors = child.stderr.take().context("standard error")?;
        Ok(Self { engine, child, input, output, errors, statements: 0 })
    }

    /// Runs one statement and returns its rows. NULL becomes `NULL`; use `HEX` for binary data.
    pub(crate) async fn rows(&mut self, statement: &str) -> anyhow::Result<Vec<Vec<String>>> {
        self.statements += 1;
        let end = format!("end of statement {}", self.statements);
        self.input.write_all(format!("{statement};\nSELECT '{end}';\n").as_bytes()).await?;
        self.input.flush().await?;
        let mut rows = Vec::new();
        loop {
            match self.output.next_line().await? {
                Some(line) if line == end => return Ok(rows),
                Some(line) => rows.push(line.split('\t').map(str::to_owned).collect()),
                None => return self.failed(statement).await,
            }
        }
    }

    /// The single number that a statement returns.
    pub(crate) async fn number(&mut self, statement: &str) -> anyhow::Result<i64> {
        let rows = self.rows(statement).await?;
        ensure!(rows.len() == 1 && rows[0].len() == 1, "{statement}: {rows:?}");
        rows[0][0].parse().with_context(|| format!("{statement}: {rows:?}"))
    }

    /// Waits until a counting statement returns more than 0.
    pub(crate) async fn wait_until_found(&mut self, count: &str) -> anyhow::Result<()> {
        wait_until("something is found", TIMEOUT, async || match self.number(count).await {
            Ok(0) => Err(format!("{count} is 0")),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error:#}")),
        })
        .await
    }

    /// The number of other connections to the database. Those to a file end with their process.
    pub(crate) async fn others_connected(&mut self) -> anyhow::Result<i64> {
        match self.engine {
            Engine::MySql => {
                let others = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
                    WHERE DB = DATABASE() AND ID <> CONNECTION_ID()";
                self.number(others).await
            }
            Engine::Sqlite => Ok(0),
        }
    }

    /// Adds many measures in hertz to an experiment, one a second.
    pub(crate) async fn add_measures(&mut self, experiment_id: u32, count: u32) -> anyhow::Result<()> {
        let numbers = match self.engine {
            Engine::MySql => format!("SELECT seq AS number FROM {}", numbers(count)),
            Engine::Sqlite => format!(
                "WITH RECURSIVE numbers(number) AS \
                    (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {count}) \
                SELECT number FROM numbers"
            ),
        };
        let insert = format!(
            "INSERT INTO MEASURES (ID, TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) \
            SELECT number, 1, number * 1000000000, {experiment_id}, number * 1.0 FROM ({numbers}) AS numbered"
        );
        self.rows(&insert).await.map(drop)
    }

    async fn failed<T>(&mut self, statement: &str) -> anyhow::Result<T> {
        let mut said = String::new();
        self.errors.read_to_string(&mut said).await?;
        let status = self.child.wait().await?;
        bail!("{statement}: the client ended with {status}: {said}")
    }
}
