use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn measure(timestamp: i64, id: u64, sensor: u32, measure_type: u16, value: f64) -> BlockMeasure {
    BlockMeasure { timestamp, id, series: BlockSeries { sensor, measure_type }, value }
}

/// One series, one measure a second with some jitter, of a slow walk.
fn walk(count: u32) -> Vec<BlockMeasure> {
    let jitter = |number: u32| i64::from(number.wrapping_mul(2_654_435_761) % 11) * 1_000_000;
    let walk = |number: u32| f64::from(2_000 + (number.wrapping_mul(2_246_822_519) >> 30)) / 100.0;
    (0..count)
        .map(|number| {
            let timestamp = 1_650_000_000_000_000_000 + i64::from(number) * 1_000_000_000 + jitter(number);
            measure(timestamp, 1_000 + u64::from(number) * 20, 0, 16, walk(number))
        })
        .collect()
}

fn any_measures() -> impl Strategy<Value = Vec<BlockMeasure>> {
    let timestamp = prop_oneof![0..20_i64, Just(i64::MAX), any::<i64>().prop_map(|nanos| nanos & i64::MAX)];
    let value = prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![0.0, -0.0, 5e-324, -5e-324, f64::MAX, f64::MIN, 20.01, 20.02]),
    ];
    let sensor = prop_oneof![Just(0), 0..4_u32, any::<u32>()];
    let one = (timestamp, sensor, prop_oneof![1..4_u16, any::<u16>()], value);
    let first_id = prop_oneof![Just(1_u64), any::<u64>().prop_map(|id| id >> 1)];
    (vec(one, 1..600), first_id).prop_map(|(measures, first_id)| {
        let measures = (first_id..).zip(measures);
        measures.map(|(id, (time, sensor, kind, value))| measure(time, id, sensor, kind, value)).collect()
    })
}

fn in_order(mut measures: Vec<BlockMeasure>) -> Vec<BlockMeasure> {
    measures.sort_by_key(BlockMeasure::position);
    measures
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_measures_round_trip(measures in any_measures()) {
        let (data, crc) = encode(&measures).unwrap();
        prop_assert_eq!(decode(&data, crc).unwrap(), in_order(measures));
    }

    #[test]
    fn a_changed_byte_is_an_error(
        measures in any_measures(),
        place in any::<prop::sample::Index>(),
        bits in 1..=u8::MAX,
    ) {
        let (mut data, crc) = encode(&measures).unwrap();
        let place = place.index(data.len());
        data[place] ^= bits;
        let is_noticed = matches!(decode(&data, crc), Err(BlockError::Checksum { .. }));
        prop_assert!(is_noticed);
    }

    #[test]
    fn shortened_data_are_an_error(measures in any_measures(), place in any::<prop::sample::Index>()) {
        let (data, crc) = encode(&measures).unwrap();
        let data = &data[..place.index(data.len())];
        prop_assert!(decode(data, crc).is_err());
        prop_assert!(decode(data, crc32fast::hash(data)).is_err());
    }

    #[test]
    fn any_bytes_with_their_crc_are_measures_or_an_error(mut data in vec(any::<u8>(), 0..400)) {
        drop(decode(&data, crc32fast::hash(&data)));
        data.splice(0..0, [VERSION, 4, 1]);
        drop(decode(&data, crc32fast::hash(&data)));
    }
}

#[test]
fn every_changed_bit_of_a_block_is_an_error() {
    let (data, crc) = encode(&walk(500)).unwrap();
    for bit in 0..data.len() * 8 {
        let mut changed = data.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&changed, crc).is_err());
    }
}

#[test]
fn blocks_of_the_maximum_size_round_trip() {
    let measures = walk(131_072);
    let (data, crc) = encode(&measures).unwrap();
    assert_eq!(decode(&data, crc).unwrap(), in_order(measures));
}

#[test]
fn there_are_as_many_measures_as_a_block_may_hold() {
    assert!(encode(&[]).is_err());
    assert!(encode(&walk(131_073)).is_err());
}

#[test]
fn a_slow_walk_takes_about_a_byte_a_measure() {
    let (data, _) = encode(&walk(7_000)).unwrap();
    assert!(data.len() < 8_000, "{}", data.len());
}

#[test]
fn repeated_values_take_a_few_bytes() {
    let one = encode(&[measure(7, 1, 0, 1, 2.5)]).unwrap().0;
    assert!(one.len() <= 36, "{}", one.len());
    let regular: Vec<_> =
        (0..5_000).map(|number| measure(number * 1_000_000_000, number.unsigned_abs(), 3, 1, 2.5)).collect();
    let (data, crc) = encode(&regular).unwrap();
    assert!(data.len() <= 90, "{}", data.len());
    assert_eq!(decode(&data, crc).unwrap(), regular);
}

#[test]
fn a_block_of_a_newer_version_says_so() {
    let (mut data, _) = encode(&walk(10)).unwrap();
    data[0] = 2;
    assert_eq!(decode(&data, crc32fast::hash(&data)), Err(BlockError::Version(2)));
}

#[test]
fn each_series_has_a_summary() {
    let measures = [
        measure(1, 1, 0, 2, 5.0),
        measure(2, 2, 1, 1, -1.0),
        measure(3, 3, 0, 2, 7.0),
        measure(3, 4, 0, 1, -0.0),
    ];
    let found: Vec<_> = summarise(&measures)
        .into_iter()
        .map(|SeriesSummary { series, first, last, summary }| {
            (series.sensor, series.measure_type, first, last, summary.count(), summary.mean())
        })
        .collect();
    assert_eq!(found, [(0, 1, 3, 3, 1, 0.0), (0, 2, 1, 3, 2, 6.0), (1, 1, 2, 2, 1, -1.0)]);
}
