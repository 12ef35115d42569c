use async_trait::async_trait;

/// The state of one part that the service needs to do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartState {
    /// Whether the part does its work now.
    pub ready: bool,
    /// The state in a few words, for the operator; names no secret and no address.
    pub state: &'static str,
}

/// Tells how one part of the service is doing (specification §10).
#[async_trait]
pub trait ReadinessProbe: Send + Sync {
    /// The part's name, such as `database`.
    fn part(&self) -> &'static str;
    /// How it is doing now. Answers within a second or two, also when the part does not.
    async fn state(&self) -> PartState;
}
