//! Bytes and variable-length integers (LEB128) of a block.

use super::BlockError;

/// Appends an integer: seven bits a byte, the lowest first; the high bit says that more follow.
pub(super) fn put_integer(data: &mut Vec<u8>, mut integer: u64) {
    while integer >= 0x80 {
        data.push(integer.to_le_bytes()[0] | 0x80);
        integer >>= 7;
    }
    data.push(integer.to_le_bytes()[0]);
}

/// Reads from the beginning of what is left.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], BlockError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(BlockError::Invalid("they end too soon"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, BlockError> {
        let (first, rest) = self.0.split_first().ok_or(BlockError::Invalid("they end too soon"))?;
        self.0 = rest;
        Ok(*first)
    }

    /// The integer that [`put_integer`] wrote, if it has that type.
    pub(super) fn integer<T: TryFrom<u64>>(&mut self) -> Result<T, BlockError> {
        const TOO_LARGE: BlockError = BlockError::Invalid("an integer is too large");
        let mut integer = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return Err(TOO_LARGE);
            }
            integer |= bits << shift;
            if byte < 0x80 {
                return integer.try_into().map_err(|_| TOO_LARGE);
            }
        }
        Err(TOO_LARGE)
    }
}
