/// How a pool of connections is used at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections that are open.
    pub open: u32,
    /// Those of them that do nothing.
    pub idle: u32,
    /// The greatest number of open ones.
    pub most: u32,
}

impl PoolUse {
    pub(crate) fn new(open: usize, idle: usize, most: usize) -> Self {
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        // The numbers are not taken at the same instant.
        Self { open: number(open), idle: number(idle.min(open)), most: number(most) }
    }
}
