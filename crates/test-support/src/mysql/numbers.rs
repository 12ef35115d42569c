/// A table expression of the numbers from 1 to `count`, unordered, in the column `seq`. Portable,
/// unlike MariaDB's `seq_1_to_9`, and without the recursion limit of both servers.
pub fn numbers(count: u32) -> String {
    let digits = count.to_string().len();
    let value = (0..digits)
        .map(|digit| format!("D{digit}.N * {}", 10_u64.pow(u32::try_from(digit).unwrap_or(u32::MAX))));
    let value = value.collect::<Vec<_>>().join(" + ");
    let tables = (0..digits).map(|digit| format!("DIGITS AS D{digit}")).collect::<Vec<_>>().join(", ");
    let others = (1..10).map(|digit| format!(" UNION ALL SELECT {digit}")).collect::<String>();
    format!(
        "(WITH DIGITS (N) AS (SELECT 0{others}) SELECT {value} AS seq FROM {tables} WHERE {value} BETWEEN 1 AND {count}) AS NUMBERS"
    )
}
