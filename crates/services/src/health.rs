use async_trait::async_trait;

/// The state of one part that the service needs to do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartState {
    /// Whether the part does its work now.
    pub ready: bool,
    /// The state in a few words, for the operator; names no secret and no address.
    pub state: &'static str,
}

/// Reports the health of one component.
#[async_trait]
pub trait ReadinessProbe: Send + Sync {
    /// The part's name, such as `database`.
    fn part(&self) -> &'static str;
    /// Its current state. Returns within a second or two, even if the part does not answer.
    async fn state(&self) -> PartState;
}
