use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mymonit_model::UserId;

use crate::ServiceError;

/// Concurrent readings of one user in this process. With a slow client each holds up to 0.7 MB;
/// together they take a third of the container's memory.
const READINGS_OF_A_USER: usize = 200;

/// Limits the long readings of each user, and so their memory.
#[derive(Debug, Clone, Default)]
pub struct ReadingSlots(Arc<Mutex<HashMap<UserId, usize>>>);

impl ReadingSlots {
    /// A slot for one more reading of that user.
    ///
    /// # Errors
    /// [`ServiceError::TooManyRequests`] if the user has too many open.
    pub(crate) fn take(&self, user_id: &UserId) -> Result<ReadingSlot, ServiceError> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user_id.clone()).or_default();
        if *count >= READINGS_OF_A_USER {
            return Err(ServiceError::TooManyRequests(
                "the user has 200 readings open already; finish one before",
            ));
        }
        *count += 1;
        Ok(ReadingSlot { slots: self.clone(), user_id: user_id.clone() })
    }
}

/// One open reading; dropped, it is free for another.
#[derive(Debug)]
pub struct ReadingSlot {
    slots: ReadingSlots,
    user_id: UserId,
}

impl Drop for ReadingSlot {
    fn drop(&mut self) {
        let mut open = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.user_id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.user_id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_slots_of_the_own() {
        let slots = ReadingSlots::default();
        let (one, other) = (UserId::new("S001").unwrap(), UserId::new("S002").unwrap());
        let mut held: Vec<_> = (0..READINGS_OF_A_USER).map(|_| slots.take(&one).unwrap()).collect();
        let refused = slots.take(&one).unwrap_err();
        assert_eq!(refused.code(), "too_many_requests");
        assert!(refused.to_string().contains(&READINGS_OF_A_USER.to_string()));
        assert!(slots.take(&other).is_ok());
        held.pop();
        held.push(slots.take(&one).unwrap());
        assert!(slots.take(&one).is_err());
        drop(held);
        assert!(slots.0.lock().unwrap().is_empty(), "nothing is kept of users without readings");
    }
}
