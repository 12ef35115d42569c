/// Use of a connection pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Open connections.
    pub open: u32,
    /// Idle ones among them.
    pub idle: u32,
    /// Limit of open connections.
    pub most: u32,
}

impl PoolUse {
    pub(crate) fn new(open: usize, idle: usize, most: usize) -> Self {
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        // The numbers are not read at the same instant.
        Self { open: number(open), idle: number(idle.min(open)), most: number(most) }
    }
}
