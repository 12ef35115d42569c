use num_bigint::BigInt;

/// Bits of a digit.
const DIGIT: u32 = 32;
const DIGIT_MASK: i64 = 0xffff_ffff;
/// Digits that one addition touches: 64 bits at any offset within the first of them.
const TOUCHED: usize = 3;
/// How many additions may come before the carries have to be handed on. A digit has 64 bits with its sign, and
/// each addition changes it by less than 2^32.
const PATIENCE: u32 = 1 << 30;

/// An exact sum of numbers `±m × 2^s`, as a number with digits of 32 bits in places of 64, so that an addition
/// hands on no carry. `DIGITS` has to leave room above the greatest number for as many as are added.
///
/// No rounding anywhere means that neither the order of the numbers nor their sizes make a difference.
#[derive(Debug, Clone)]
pub(super) struct ExactSum<const DIGITS: usize> {
    digits: [i64; DIGITS],
    /// Additions since the carries were handed on.
    pending: u32,
    /// The digits in use: all others are zero.
    low: usize,
    high: usize,
}

impl<const DIGITS: usize> ExactSum<DIGITS> {
    pub(super) const fn new() -> Self {
        Self { digits: [0; DIGITS], pending: 0, low: DIGITS, high: 0 }
    }

    /// Adds `magnitude × 2^shift`, or subtracts it.
    pub(super) fn add(&mut self, magnitude: u64, shift: u32, is_negative: bool) {
        let digit = (shift / DIGIT) as usize;
        let mut rest = u128::from(magnitude) << (shift % DIGIT);
        for place in self.digits.iter_mut().skip(digit).take(TOUCHED) {
            let part = low_digit(rest);
            *place += if is_negative { -part } else { part };
            rest >>= DIGIT;
        }
        self.low = self.low.min(digit);
        self.high = self.high.max((digit + TOUCHED).min(DIGITS));
        self.pending += 1;
        if self.pending >= PATIENCE {
            self.hand_on();
        }
    }

    /// Brings every digit below the last one into 0 to 2^32 - 1.
    fn hand_on(&mut self) {
        let mut carry = 0;
        for (index, place) in self.digits.iter_mut().enumerate().skip(self.low) {
            if index >= self.high && carry == 0 {
                break;
            }
            let whole = *place + carry;
            let is_last = index + 1 == DIGITS;
            (*place, carry) = if is_last { (whole, 0) } else { (whole & DIGIT_MASK, whole >> DIGIT) };
            self.high = self.high.max(index + 1);
        }
        self.pending = 0;
    }

    /// The sum as `(number, exponent)`, which stands for `number × 2^exponent`.
    pub(super) fn total(&mut self) -> (BigInt, u32) {
        self.hand_on();
        let used = self.digits.get(self.low..self.high).unwrap_or_default();
        let mut bytes: Vec<u8> =
            used.iter().flat_map(|digit| digit.to_le_bytes().into_iter().take(4)).collect();
        // The sign, and what does not fit into the last digit.
        let last = used.last().copied().unwrap_or_default() >> DIGIT;
        bytes.extend(last.to_le_bytes());
        let exponent = u32::try_from(self.low).unwrap_or_default() * DIGIT;
        (BigInt::from_signed_bytes_le(&bytes), exponent)
    }
}

fn low_digit(number: u128) -> i64 {
    // Masked to 32 bits, it fits.
    i64::try_from(number & 0xffff_ffff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Sum = ExactSum<20>;

    proptest! {
        #[test]
        fn a_sum_is_that_of_whole_numbers_of_any_size(
            terms in proptest::collection::vec((any::<u64>(), 0..512_u32, any::<bool>(), any::<bool>()), 0..50)
        ) {
            let (mut sum, mut expected) = (Sum::new(), BigInt::ZERO);
            for (magnitude, shift, is_negative, hands_on) in terms {
                sum.add(magnitude, shift, is_negative);
                let term = BigInt::from(magnitude) << shift;
                expected += if is_negative { -term } else { term };
                if hands_on {
                    sum.hand_on();
                }
            }
            let (number, exponent) = sum.total();
            prop_assert_eq!(number << exponent, expected);
        }
    }

    #[test]
    fn carries_run_through_all_digits_and_back() {
        let mut sum = Sum::new();
        sum.add(1, 0, true);
        assert_eq!(sum.total(), (BigInt::from(-1), 0));
        sum.add(1, 0, false);
        assert_eq!(sum.total().0, BigInt::ZERO);
        for _ in 0..1_000 {
            sum.add(u64::MAX, 500, false);
        }
        let (number, exponent) = sum.total();
        assert_eq!(number << exponent, (BigInt::from(u64::MAX) << 500_u32) * 1_000);
        assert_eq!(Sum::new().total().0, BigInt::ZERO);
    }
}
